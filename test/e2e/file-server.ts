import { runtimeImages } from "./image.ts";
import type { Space } from "./space.ts";

const port = 8000;
const source = `
require("node:http").createServer((request, response) => {
  require("node:fs").readFile("/files" + request.url, (error, bytes) => {
    response.writeHead(error ? 404 : 200);
    response.end(bytes);
  });
}).listen(${port});
`;

/** Serves files from a pod of the namespace, as a server in the internet would; answers with its `http://host:port`. */
export async function startFileServer(space: Space, files: Readonly<Record<string, Buffer>>): Promise<string> {
  const name = "file-server";
  const binaryData = Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, bytes.toString("base64")]));
  await space.apply(
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, binaryData },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        securityContext: { runAsNonRoot: true, runAsUser: 10_003, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "server",
            image: runtimeImages["nodejs24.x"],
            command: ["/var/lang/bin/node", "-e", source],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
            volumeMounts: [{ name: "files", mountPath: "/files" }],
            readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
          },
        ],
        volumes: [{ name: "files", configMap: { name } }],
      },
    },
  );
  await space.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=50s");
  return `http://${await space.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}")}:${port}`;
}

import { runtimeImages } from "./image.ts";
import type { Space } from "./space.ts";

const port = 8000;
const source = `
require("node:http").createServer((request, response) => {
  if (request.url === "/endless") {
    const more = () => { while (response.write(Buffer.alloc(1 << 20))); };
    response.on("drain", more);
    return more();
  }
  require("node:fs").readFile("/files" + request.url, (error, bytes) => {
    response.writeHead(error ? 404 : 200);
    response.end(bytes);
  });
}).listen(${port});
`;

/** Serves files, and `/endless`, from a pod of the namespace, as a server in the internet would; answers with its `http://host:port`. */
export async function startFileServer(space: Space, files: Readonly<Record<string, Buffer>>): Promise<string> {
  const name = "file-server";
  const binaryData = Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, bytes.toString("base64")]));
  const manifests = [
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
  ];
  // Server-side: the other way keeps a copy of the whole ConfigMap in an annotation, which is too small for it.
  await space.system.kubectl(["--namespace", space.name, "apply", "--server-side", "-f", "-"], {
    input: JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests }),
  });
  await space.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=50s");
  return `http://${await space.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}")}:${port}`;
}

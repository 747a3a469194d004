import { runtimeImages } from "./image.ts";
import type { Space } from "./space.ts";

const port = 8000;
const folder = "/files";
const source = `
require("node:http").createServer((request, response) => {
  if (request.url === "/endless") {
    const more = () => { while (response.write(Buffer.alloc(1 << 20))); };
    response.on("drain", more);
    return more();
  }
  require("node:fs").readFile("${folder}" + request.url, (error, bytes) => {
    response.writeHead(error ? 404 : 200);
    response.end(bytes);
  });
}).listen(${port});
`;

/** Serves files, and `/endless`, from a pod of the namespace, as a server in the internet would; answers with its `http://host:port`. */
export async function startFileServer(space: Space, files: Readonly<Record<string, Buffer>>): Promise<string> {
  const name = "file-server";
  await space.apply({
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
          volumeMounts: [{ name: "files", mountPath: folder }],
          readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
        },
      ],
      volumes: [{ name: "files", emptyDir: {} }],
    },
  });
  await space.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=50s");
  // Not as ConfigMaps: those hold 1 MiB at most.
  for (const [file, bytes] of Object.entries(files)) {
    const write = ["sh", "-c", 'base64 -d > "$0"', `${folder}/${file}`];
    await space.system.kubectl(["--namespace", space.name, "exec", "-i", name, "--", ...write], {
      input: bytes.toString("base64"),
    });
  }
  return `http://${await space.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}")}:${port}`;
}

/** A Node.js server over TLS in a pod of the namespace, for what the API server asks of others. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, issueCertificate } from "../cluster/pki.ts";
import { runtimeImages } from "./image.ts";
import type { Space } from "./space.ts";

export interface ServingPod {
  readonly name: string;
  /** Gets `folder`/tls.crt and `folder`/tls.key, and listens on `port`. */
  readonly source: string;
}

export const servingPort = 8443;
export const tlsFolder = "/tls";

/** Resolves once it listens behind a Service of its name; answers with the certificate that it is checked by, base64 of PEM. */
export async function startServingPod(space: Space, { name, source }: ServingPod): Promise<string> {
  const { caBundle, cert, key } = await certify(name, `${name}.${space.name}.svc`);
  const labels = { app: name };
  await space.apply(
    { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { "tls.crt": cert, "tls.key": key } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { selector: labels, ports: [{ port: 443, targetPort: servingPort }] },
    },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        securityContext: { runAsNonRoot: true, runAsUser: 10_003, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "server",
            image: runtimeImages["nodejs24.x"],
            command: ["/var/lang/bin/node", "-e", source],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
            volumeMounts: [{ name: "tls", mountPath: tlsFolder }],
            readinessProbe: { tcpSocket: { port: servingPort }, periodSeconds: 1 },
          },
        ],
        volumes: [{ name: "tls", secret: { secretName: name } }],
      },
    },
  );
  await space.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=50s");
  return caBundle;
}

async function certify(name: string, host: string): Promise<{ caBundle: string; cert: string; key: string }> {
  const directory = mkdtempSync(join(tmpdir(), "serving-pod-"));
  try {
    const authority = await createAuthority(directory, `${name}-ca`);
    const wanted = { name, subject: `/CN=${name}`, subjectAltNames: `DNS:${host}` };
    const { certFile, keyFile } = await issueCertificate(directory, authority, wanted);
    return {
      caBundle: readFileSync(authority.certFile).toString("base64"),
      cert: readFileSync(certFile, "utf8"),
      key: readFileSync(keyFile, "utf8"),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import { ensureInstallSecret, type InstallSecret } from "./install-secret.ts";

/** PKCS #8, PEM. */
const fileName = "router-signing-key.pem";

/**
 * The key by which routers, and the operator, prove themselves to pods, which have its public half. Makes the Secret when it is not there; one that
 * is there is never changed. Throws when its content is no Ed25519 key.
 */
export async function ensureSigningKey(client: KubernetesClient, namespace: string, name: string): Promise<KeyObject> {
  const secret = await ensureInstallSecret(client, { namespace, name }, () => {
    const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" });
    return { [fileName]: Buffer.from(pem).toString("base64") };
  });
  return keyOf(secret);
}

function keyOf({ metadata, data }: Stored<InstallSecret>): KeyObject {
  const pem = data?.[fileName];
  const what = `Cannot use Secret "${metadata.namespace ?? ""}/${metadata.name}"`;
  if (pem === undefined) throw new Error(`${what}: it has no key "${fileName}"; delete it to have a new one made`);
  try {
    const key = createPrivateKey(Buffer.from(pem, "base64"));
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch (cause) {
    throw new Error(`${what}: "${fileName}" is no private key in PEM; delete it to have a new one made`, { cause });
  }
  throw new Error(`${what}: "${fileName}" is no Ed25519 key; delete it to have a new one made`);
}

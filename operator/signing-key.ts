import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { formatPublicKey } from "../lib/http/signed-claim.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";

interface Secret extends KubernetesObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** PKCS #8, PEM. */
const fileName = "router-signing-key.pem";

/**
 * The public half of the key by which routers prove themselves, for pods. Makes the Secret when it is not there; one that
 * is there is never changed. Throws when its content is no Ed25519 key.
 */
export async function ensureSigningKey(client: KubernetesClient, namespace: string, name: string): Promise<string> {
  const ref = { kind: kinds.secret, namespace, name };
  const found = await client.get<Secret>(ref).catch((error: unknown) => {
    if (isKubernetesError(error, "NotFound")) return undefined;
    throw error;
  });
  return publicKeyOf(found ?? (await createSecret(client, namespace, name)));
}

async function createSecret(client: KubernetesClient, namespace: string, name: string): Promise<Stored<Secret>> {
  const { privateKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  const secret: Secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace, name },
    type: "Opaque",
    data: { [fileName]: Buffer.from(pem).toString("base64") },
  };
  try {
    return await client.create(secret);
  } catch (error) {
    // Another operator, or a request of ours whose answer was lost, has been faster: its key counts.
    if (!isKubernetesError(error, "AlreadyExists")) throw error;
    return await client.get<Secret>({ kind: kinds.secret, namespace, name });
  }
}

function publicKeyOf({ metadata, data }: Stored<Secret>): string {
  const pem = data?.[fileName];
  const what = `Cannot use Secret "${metadata.namespace ?? ""}/${metadata.name}"`;
  if (pem === undefined) throw new Error(`${what}: it has no key "${fileName}"; delete it to have a new one made`);
  try {
    const key = createPrivateKey(Buffer.from(pem, "base64"));
    if (key.asymmetricKeyType === "ed25519") return formatPublicKey(key);
  } catch (cause) {
    throw new Error(`${what}: "${fileName}" is no private key in PEM; delete it to have a new one made`, { cause });
  }
  throw new Error(`${what}: "${fileName}" is no Ed25519 key; delete it to have a new one made`);
}

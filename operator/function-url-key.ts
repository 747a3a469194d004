import { createHmac, randomBytes } from "node:crypto";
import { formatFunctionUrl, functionUrlId, functionUrlSeed, type FunctionUrlOwner } from "../crds/function-url.ts";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { ensureInstallSecret, type InstallSecretRef } from "./install-secret.ts";
import type { OperatorConfig } from "./operator-config.ts";
import type { OperatorDependencies } from "./operator-dependencies.ts";

const fileName = "function-url.key";
const keyBytes = 32;

/** The URL of a function or alias that has one. */
export type FunctionUrlOf = (owner: FunctionUrlOwner) => string;

/**
 * The key that ids of function URLs come from; who has it can tell the id of every name. Makes the Secret when it is not
 * there. Throws when its content is too short to be one.
 */
export async function ensureFunctionUrlKey(client: KubernetesClient, ref: InstallSecretRef): Promise<Buffer> {
  const { data } = await ensureInstallSecret(client, ref, () => ({
    [fileName]: randomBytes(keyBytes).toString("base64"),
  }));
  const key = Buffer.from(data?.[fileName] ?? "", "base64");
  if (key.length >= keyBytes) return key;
  throw new Error(
    `Cannot use Secret "${ref.namespace}/${ref.name}": "${fileName}" has ${key.length} bytes, ${keyBytes} at least are right; delete it to have a new one made, which changes every function URL`,
  );
}

/** `pattern`: with `{id}` in place of the id. */
export function createFunctionUrlOf(key: Uint8Array, pattern: string): FunctionUrlOf {
  return (owner) => {
    const mac = createHmac("sha256", key).update(functionUrlSeed(owner)).digest("hex");
    return formatFunctionUrl(pattern, functionUrlId(mac));
  };
}

/** Finds or makes the key of this installation. */
export async function prepareFunctionUrls(
  { client, functionUrlKey }: Pick<OperatorDependencies, "client" | "functionUrlKey">,
  config: OperatorConfig,
): Promise<FunctionUrlOf> {
  const ref = { namespace: config.KUBELAMBDA_NAMESPACE, name: config.KUBELAMBDA_FUNCTION_URL_KEY_SECRET };
  return createFunctionUrlOf(
    functionUrlKey ?? (await ensureFunctionUrlKey(client, ref)),
    config.KUBELAMBDA_FUNCTION_URL,
  );
}

import { canonicalJson } from "../lib/canonical-json.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import type { Wanted } from "./package-resolver.ts";
import type { PackageSource } from "./package-source.ts";

/** What to ask for an object's source; `hash` is SHA-256, hex. Pure. */
export function wantedOf(
  owner: Stored,
  { source, secret, recheckMs }: PackageSource & { readonly type: "source" },
  hash: (text: string) => string,
): Wanted {
  const sourceHash = hash(canonicalJson(secret === undefined ? source : { source, secret }));
  return {
    ...{ namespace: owner.metadata.namespace ?? "", source, sourceHash },
    ...(secret !== undefined && { secret: { reference: secret, owner } }),
    ...(recheckMs !== undefined && { recheckMs }),
  };
}

import type { KeyObject } from "node:crypto";
import type { RouterClaim } from "../../crds/wire/environment.ts";
import { verifyClaim } from "../../lib/http/signed-claim.ts";

/** Checks `Bearer <claim>` for one pod's uid and one purpose; the claim verified last costs a comparison, not a signature. */
export function createRouterProof(
  keys: readonly KeyObject[],
  podUid: string,
  nowMs: () => number,
  purpose?: string,
): (authorization: string | undefined) => boolean {
  let verified: { readonly authorization: string; readonly expiresAtMs: number } | undefined;

  return (authorization) => {
    if (authorization === undefined) return false;
    const now = nowMs();
    if (verified?.authorization === authorization && verified.expiresAtMs > now) return true;
    const token = /^Bearer (\S+)$/i.exec(authorization)?.[1];
    const claim = token === undefined ? undefined : verifyClaim(token, keys, now);
    if (claim?.["podUid" satisfies keyof RouterClaim] !== podUid) return false;
    if (claim["purpose" satisfies keyof RouterClaim] !== purpose) return false;
    verified = { authorization, expiresAtMs: claim.expiresAt * 1000 };
    return true;
  };
}

import type { KeyObject } from "node:crypto";
import type { RouterClaim } from "../../crds/wire/environment.ts";
import { signClaim } from "../../lib/http/signed-claim.ts";

/**
 * How long a claim holds, in ms; it is signed anew when half of that is gone. So a router's clock may be 5 minutes behind an agent's,
 * as a caller's may be behind ours (SigV4).
 */
const validMs = 600_000;
const mostRemembered = 20_000;

/** Signs claims for environments and remembers them, so that a warm call signs nothing. Returns the `authorization` header. */
export function createClaims(signingKey: KeyObject, nowMs: () => number): (podUid: string) => string {
  const remembered = new Map<string, { readonly header: string; readonly renewAtMs: number }>();
  return (podUid) => {
    const now = nowMs();
    const known = remembered.get(podUid);
    if (known !== undefined && now < known.renewAtMs && now > known.renewAtMs - validMs) return known.header;
    const claim: RouterClaim = { podUid, expiresAt: Math.floor((now + validMs) / 1000) };
    const header = `Bearer ${signClaim(claim, signingKey)}`;
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(podUid, { header, renewAtMs: now + validMs / 2 });
    return header;
  };
}

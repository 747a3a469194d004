import type { KeyObject } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { Logger } from "../../lib/logger.ts";
import { addressesIn } from "../packages/address-rules.ts";
import type { RouterConfig } from "../router-config.ts";
import { createAccessControl, type AccessControl } from "./access-control.ts";
import { KubernetesAccessKeys, noAccessKeys, type SecretObject } from "./access-keys.ts";
import { FunctionCredentialMint } from "./function-credentials.ts";
import { Reviews } from "./reviews.ts";

export interface RouterAccessOptions {
  readonly client: KubernetesClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** The private key that all routers share. */
  readonly signingKey: KeyObject;
  /** Of tokens that the cluster has signed, for whomever; absent: there are none. */
  readonly verifyCallerToken?: TokenVerifier;
  readonly onError: (error: unknown) => void;
}

export interface RouterAccess {
  readonly access: AccessControl;
  readonly mint: FunctionCredentialMint;
  readonly reviews: Reviews;
  /** To be started before calls are taken, and stopped. */
  readonly caches: readonly ObjectCache<SecretObject>[];
}

/** What a router needs to know who calls; where nobody is asked, nothing is watched either. */
export function createRouterAccess(config: RouterConfig, options: RouterAccessOptions): RouterAccess {
  const { client, clock, log, onError } = options;
  const mode = config.KUBELAMBDA_AUTH_MODE;
  const mint = new FunctionCredentialMint(options.signingKey, () => clock.nowMs());
  const cache = new ObjectCache<SecretObject>({
    ...{ client, clock, onError },
    kind: kinds.secret,
    namespace: config.KUBELAMBDA_NAMESPACE,
    // By its name alone: our role allows no more.
    fieldSelector: `metadata.name=${config.KUBELAMBDA_ACCESS_KEYS_SECRET}`,
  });
  const asksNobody = mode === "none";
  const keys = asksNobody ? noAccessKeys : new KubernetesAccessKeys(cache, log);
  const { verifyCallerToken: verify } = options;
  const isSigned = async (token: string): Promise<boolean> => (await verify?.(`Bearer ${token}`))?.ok === true;
  const reviews = new Reviews(client, clock, { isSigned });
  const access = createAccessControl({
    ...{ mode, keys, mint, reviews, clock },
    region: config.KUBELAMBDA_REGION,
    isTrustedProxy: addressesIn(config.KUBELAMBDA_TRUSTED_PROXIES),
  });
  return { access, mint, reviews, caches: asksNobody ? [] : [cache] };
}

/** Checks projected service account tokens against the cluster's keys, without a call to the API server per token. */
import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from "jose";

/** Whom the API server says the bearer is. Pod fields are set for projected tokens of pods. */
export interface TokenIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName?: string;
  readonly podUid?: string;
}

export type TokenCheck =
  { readonly ok: true; readonly identity: TokenIdentity } | { readonly ok: false; readonly reason: string };
export type TokenVerifier = (authorization: string | undefined) => Promise<TokenCheck>;

export interface TokenVerifierOptions {
  /** Absent: any. */
  readonly audience?: string;
  /** Reads the cluster's key set; called at the first token, and at most once a minute when a token names an unknown key; once a second while it fails. */
  readonly fetchKeys: () => Promise<JSONWebKeySet>;
  readonly nowMs: () => number;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

const refetchAfterMs = 60_000;
const retryAfterMs = 1000;
const rememberedTokens = 10_000;

interface KubernetesClaims {
  readonly namespace?: string;
  readonly serviceaccount?: { readonly name?: string };
  readonly pod?: { readonly name?: string; readonly uid?: string };
}

/** Verifies `Bearer <token>` headers; a token once verified is remembered until it expires. */
export function createTokenVerifier({ audience, fetchKeys, nowMs }: TokenVerifierOptions): TokenVerifier {
  const remembered = new Map<string, { readonly identity: TokenIdentity; readonly expiresAtMs: number }>();
  let keys: KeySet | undefined;
  let fetchedAtMs = -Infinity;
  let loading: Promise<KeySet> | undefined;

  /** One reading for all who wait, and for those who come within a second of its beginning. */
  function loadKeys(): Promise<KeySet> {
    if (loading !== undefined && nowMs() - fetchedAtMs < retryAfterMs) return loading;
    fetchedAtMs = nowMs();
    loading = fetchKeys().then((set) => (keys = createLocalJWKSet(set)));
    return loading;
  }

  async function verify(token: string): Promise<TokenCheck> {
    const options = { ...(audience !== undefined && { audience }), currentDate: new Date(nowMs()) };
    try {
      const verified = await jwtVerify(token, keys ?? (await loadKeys()), options).catch(async (error: unknown) => {
        const isUnknownKey = error instanceof errors.JWKSNoMatchingKey;
        if (!isUnknownKey || nowMs() - fetchedAtMs < refetchAfterMs) throw error;
        return await jwtVerify(token, await loadKeys(), options);
      });
      const identity = toIdentity(verified.payload["kubernetes.io"] as KubernetesClaims | undefined);
      if (identity === undefined) return { ok: false, reason: "the token names no service account" };
      if (remembered.size >= rememberedTokens) remembered.clear();
      remembered.set(token, { identity, expiresAtMs: (verified.payload.exp ?? 0) * 1000 });
      return { ok: true, identity };
    } catch (error) {
      if (error instanceof errors.JOSEError) return { ok: false, reason: error.message };
      return { ok: false, reason: "the cluster's keys cannot be read" };
    }
  }

  return async (authorization) => {
    const token = /^Bearer (\S{1,8192})$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) return { ok: false, reason: "no bearer token" };
    const known = remembered.get(token);
    if (known !== undefined && known.expiresAtMs > nowMs()) return { ok: true, identity: known.identity };
    return await verify(token);
  };
}

function toIdentity(claims: KubernetesClaims | undefined): TokenIdentity | undefined {
  const { namespace, serviceaccount, pod } = claims ?? {};
  if (namespace === undefined || serviceaccount?.name === undefined) return undefined;
  return {
    namespace,
    serviceAccount: serviceaccount.name,
    ...(pod?.name !== undefined && { podName: pod.name }),
    ...(pod?.uid !== undefined && { podUid: pod.uid }),
  };
}

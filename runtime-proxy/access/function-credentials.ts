import { createHmac, createSecretKey, hash, hkdfSync, timingSafeEqual, type KeyObject } from "node:crypto";
import { formatAccessKeyId, FUNCTION_KEY_PREFIX } from "../../crds/access-keys.ts";
import type { FunctionCredentials } from "../../crds/wire/credentials.ts";
import type { TokenIdentity } from "../../lib/http/service-account-token.ts";
import { expiredToken, unrecognizedClient } from "../domain/credential-refusal.ts";
import { AccessError } from "./access-error.ts";
import type { Signer } from "./access-keys.ts";
import { serviceAccountUser } from "./caller.ts";

/** What a session token says, sealed by the routers' key. */
interface SessionClaim {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** botocore renews what has less than 15 minutes left; agents renew at half. */
export const credentialSeconds = 3600;

/**
 * Makes credentials for functions and knows them again without keeping any: the token carries its claim and a seal, and the secret is computed from the
 * token, both with keys derived from the routers' own. Not the Ed25519 signature of `lib/http/signed-claim.ts`: a function holds its token, and its agent
 * must never take it for a router's claim.
 */
export class FunctionCredentialMint {
  readonly #sealKey: KeyObject;
  readonly #secretKey: KeyObject;
  readonly #nowMs: () => number;

  /** `routerKey`: the private key that all routers share. */
  constructor(routerKey: KeyObject, nowMs: () => number) {
    const root = routerKey.export({ format: "der", type: "pkcs8" });
    this.#sealKey = deriveKey(root, "kubelambda function credentials: seal");
    this.#secretKey = deriveKey(root, "kubelambda function credentials: secret");
    this.#nowMs = nowMs;
  }

  /** For the pod that a token has proven. */
  mint({ namespace, serviceAccount, podName = "", podUid = "" }: TokenIdentity): FunctionCredentials {
    const expiresAt = Math.floor(this.#nowMs() / 1000) + credentialSeconds;
    const claim: SessionClaim = { namespace, serviceAccount, podName, podUid, expiresAt };
    const body = Buffer.from(JSON.stringify(claim)).toString("base64url");
    const Token = `${body}.${this.#seal(body).toString("base64url")}`;
    return {
      AccessKeyId: accessKeyIdOf(Token),
      SecretAccessKey: this.#secretOf(Token),
      Token,
      Expiration: new Date(expiresAt * 1000).toISOString(),
    };
  }

  /** Who signs with these; throws an AccessError when they were not made here, or are too old. */
  check(accessKeyId: string, token: string): Signer {
    const [body = "", seal = "", ...rest] = token.split(".");
    const given = Buffer.from(seal, "base64url");
    const expected = this.#seal(body);
    const isSealed = rest.length === 0 && given.length === expected.length && timingSafeEqual(given, expected);
    if (!isSealed || accessKeyIdOf(token) !== accessKeyId) throw AccessError.of(unrecognizedClient);
    const claim = JSON.parse(Buffer.from(body, "base64url").toString()) as SessionClaim;
    if (claim.expiresAt * 1000 <= this.#nowMs()) throw AccessError.of(expiredToken);
    const user = serviceAccountUser(claim.namespace, claim.serviceAccount);
    return { secretAccessKey: this.#secretOf(token), caller: { ...user, how: "functionCredentials", accessKeyId } };
  }

  #seal(body: string): Buffer {
    return createHmac("sha256", this.#sealKey).update(body).digest();
  }

  #secretOf(token: string): string {
    return createHmac("sha256", this.#secretKey).update(token).digest("base64");
  }
}

function deriveKey(root: Buffer, purpose: string): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync("sha256", root, "", purpose, 32)));
}

function accessKeyIdOf(token: string): string {
  return formatAccessKeyId(FUNCTION_KEY_PREFIX, hash("sha256", token, "buffer").subarray(0, 16));
}

/** Stands for the API server's token issuer: the same claims, signed with a key that lives as long as the process. */
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JSONWebKeySet } from "jose";
import { createTokenVerifier, type TokenIdentity, type TokenVerifier } from "../lib/http/service-account-token.ts";

const keyId = "local";
/** Longer than any run of local mode, so that nothing needs to rotate. */
const lifetimeSeconds = 30 * 24 * 3600;

export class LocalIdentity {
  readonly #privateKey: CryptoKey;
  readonly #keys: JSONWebKeySet;

  private constructor(privateKey: CryptoKey, keys: JSONWebKeySet) {
    this.#privateKey = privateKey;
    this.#keys = keys;
  }

  static async create(): Promise<LocalIdentity> {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    return new LocalIdentity(privateKey, { keys: [{ ...(await exportJWK(publicKey)), kid: keyId, alg: "ES256" }] });
  }

  /** A token as the API server projects it into a pod, for one audience. */
  async issue(audience: string, identity: TokenIdentity): Promise<string> {
    const { namespace, serviceAccount, podName, podUid } = identity;
    return await new SignJWT({
      "kubernetes.io": {
        namespace,
        serviceaccount: { name: serviceAccount },
        ...(podUid !== undefined && { pod: { name: podName, uid: podUid } }),
      },
    })
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(`${lifetimeSeconds}s`)
      .sign(this.#privateKey);
  }

  verifier(audience: string): TokenVerifier {
    return createTokenVerifier({ audience, fetchKeys: () => Promise.resolve(this.#keys), nowMs: Date.now });
  }
}

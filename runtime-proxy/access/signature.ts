import { createHash, createHmac, createSecretKey, hash, timingSafeEqual, type Hash, type KeyObject } from "node:crypto";
import { canonicalRequest, type SentParts } from "../domain/canonical-request.ts";
import { UNSIGNED_PAYLOAD, type SignatureClaim } from "../domain/request-credentials.ts";
import { signatureMismatch, stringToSign } from "../domain/signature-check.ts";
import { AccessError } from "./access-error.ts";

const noBytes = new Uint8Array();

/**
 * The check of one request's signature. Where the caller says what its payload's SHA-256 is, the signature is checked at once and the payload when it is
 * there; where it does not, nothing is known before the payload is.
 */
export class SignatureProof {
  readonly #sent: SentParts;
  readonly #claim: SignatureClaim;
  readonly #signingKey: KeyObject;
  /** The payload's first piece: mostly it is all, and hashed at once for a third of the time. */
  #first: Uint8Array = noBytes;
  /** Of a payload in several pieces. */
  #hash: Hash | undefined;
  #isProven = false;

  /** Throws an AccessError when the signature is wrong already. */
  constructor(sent: SentParts, claim: SignatureClaim, signingKey: KeyObject) {
    this.#sent = sent;
    this.#claim = claim;
    this.#signingKey = signingKey;
    if (claim.payloadHash !== undefined) this.#check(claim.payloadHash);
  }

  /** False while the signature waits for the payload: until then nothing is to be told and nothing to be done. */
  get isProven(): boolean {
    return this.#isProven;
  }

  update(chunk: Uint8Array): void {
    if (this.#claim.payloadHash === UNSIGNED_PAYLOAD) return;
    if (this.#first.length === 0 && this.#hash === undefined) {
      this.#first = chunk;
      return;
    }
    this.#hash ??= createHash("sha256").update(this.#first);
    this.#first = noBytes;
    this.#hash.update(chunk);
  }

  /** To be called once all of the payload has been seen; throws an AccessError when it is not what was signed. */
  confirm(): void {
    if (this.#claim.payloadHash === UNSIGNED_PAYLOAD) return;
    const payloadHash = this.#hash?.digest("hex") ?? sha256Hex(this.#first);
    if (this.#isProven && payloadHash === this.#claim.payloadHash) return;
    this.#check(payloadHash);
    // A wrong signature over the right hash has been refused before: here the payload is another one.
    if (this.#claim.payloadHash !== undefined) throw this.#mismatch(payloadHash);
  }

  #check(payloadHash: string): void {
    const expected = createHmac("sha256", this.#signingKey).update(this.#toSign(payloadHash)).digest();
    const given = Buffer.from(this.#claim.signature, "hex");
    const isRight = this.#claim.signature.length === 64 && given.length === 32 && timingSafeEqual(expected, given);
    if (!isRight) throw this.#mismatch(payloadHash);
    this.#isProven = true;
  }

  #canonical(payloadHash: string): string {
    return canonicalRequest(this.#sent, this.#claim.signedHeaders, payloadHash);
  }

  #toSign(payloadHash: string): string {
    return stringToSign(this.#claim, sha256Hex(Buffer.from(this.#canonical(payloadHash), "latin1")));
  }

  #mismatch(payloadHash: string): AccessError {
    return AccessError.of(signatureMismatch(this.#canonical(payloadHash), this.#toSign(payloadHash)));
  }
}

/**
 * The key that signs one day's requests in one region, ready for use: from bytes each HMAC takes three times as long. Source: IAM user guide, "Create a
 * signed AWS API request".
 */
export function signingKey(secret: string, { date, region, service, end }: SignatureClaim["scope"]): KeyObject {
  const bytes = [date, region, service, end].reduce<Buffer>(
    (key, text) => createHmac("sha256", key).update(text).digest(),
    Buffer.from(`AWS4${secret}`),
  );
  return createSecretKey(bytes);
}

function sha256Hex(data: Uint8Array): string {
  return hash("sha256", data, "hex");
}

/**
 * What a request says of its caller: an AWS signature (version 4) in its header or its query, or a bearer token. Texts and order of the checks are
 * AWS's. Sources: recorded answers quoted in mhart/dynalite index.js, aws/chalice#828, awslabs/aws-mobile-appsync-sdk-js#702,
 * awslabs/fhir-works-on-aws-deployment#379; status 403 for all of them: Lambda API reference, CommonErrors.
 */
import { headerValues, type SentParts } from "./canonical-request.ts";
import { incomplete, invalidSignature, type CredentialRefusal } from "./credential-refusal.ts";

export const SIGNING_ALGORITHM = "AWS4-HMAC-SHA256";
export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

/** A signature and everything that it says of itself; nothing of it is proven. */
export interface SignatureClaim {
  readonly form: "header" | "query";
  readonly accessKeyId: string;
  /** `<YYYYMMDD>/<region>/<service>/aws4_request`, taken apart. */
  readonly scope: { readonly date: string; readonly region: string; readonly service: string; readonly end: string };
  /** Lower case, in the order signed. */
  readonly signedHeaders: readonly string[];
  /** Hex. */
  readonly signature: string;
  /** When it was signed, `YYYYMMDDTHHMMSSZ`. */
  readonly signedAt: string;
  /** How long a presigned request holds, if it says so. */
  readonly expiresSeconds?: number;
  readonly sessionToken?: string;
  /** What the caller says the payload's SHA-256 is, hex, or UNSIGNED-PAYLOAD; absent: it is computed. */
  readonly payloadHash?: string;
}

export type RequestCredentials =
  | { readonly kind: "none" }
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "signature"; readonly claim: SignatureClaim }
  | { readonly kind: "refused"; readonly refusal: CredentialRefusal };

/** Longest Authorization header, of a bearer token and of a session token, in characters. */
const longestAuthorization = 16 * 1024;
const longestToken = 8 * 1024;
/** Source: S3 API reference, "Authenticating Requests: Using Query Parameters", X-Amz-Expires. */
const longestExpirySeconds = 604_800;
const once = ["authorization", "host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/** Reads the credentials of a request; `digest` is SHA-256 in base64: what may be secret is told by it alone. */
export function readCredentials(sent: SentParts, digest: (text: string) => string): RequestCredentials {
  const repeated = once.find((name) => headerValues(sent, name).length > 1);
  if (repeated !== undefined) return refuse(incomplete(`The header '${repeated}' must be sent once.`));
  const [authorization] = headerValues(sent, "authorization");
  const query = parseQuery(sent.query);
  const isPresigned = query.has("x-amz-algorithm") || query.has("x-amz-signature");
  if (authorization === undefined) return isPresigned ? readPresigned(sent, query) : { kind: "none" };
  if (isPresigned) {
    const message = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.";
    return refuse(invalidSignature(message));
  }
  if (authorization.length > longestAuthorization) {
    return refuse(incomplete(`Authorization header must be at most ${longestAuthorization} characters long.`));
  }
  if (/^Bearer /i.test(authorization)) return readBearer(authorization.slice(7).trim());
  return readSignedHeader(sent, authorization, digest);
}

function readBearer(token: string): RequestCredentials {
  const isToken = token.length <= longestToken && /^[A-Za-z0-9\-._~+/]+=*$/.test(token);
  return isToken ? { kind: "bearer", token } : refuse(incomplete("Bearer token is malformed or too long."));
}

function readSignedHeader(
  sent: SentParts,
  authorization: string,
  digest: (text: string) => string,
): RequestCredentials {
  const blank = authorization.indexOf(" ");
  const algorithm = blank < 0 ? authorization : authorization.slice(0, blank);
  if (/^AWS4-/.test(algorithm) && algorithm !== SIGNING_ALGORITHM) return refuse(unsupported(algorithm));
  const hashed = (): string => `(hashed with SHA-256 and encoded with Base64): '${digest(authorization)}'.`;
  const parts = blank < 0 || algorithm !== SIGNING_ALGORITHM ? [] : authorization.slice(blank + 1).split(",");
  const values = new Map<string, string>();
  for (const part of parts.map((text) => text.trim()).filter((text) => text !== "")) {
    const mark = part.indexOf("=");
    if (mark < 0) {
      return refuse(incomplete(`Invalid key=value pair (missing equal-sign) in Authorization header ${hashed()}`));
    }
    values.set(part.slice(0, mark), part.slice(mark + 1));
  }
  const date = signingDate(sent);
  const missing = [
    ...["Credential", "Signature", "SignedHeaders"]
      .filter((name) => (values.get(name) ?? "") === "")
      .map((name) => `Authorization header requires '${name}' parameter. `),
    ...(date === undefined
      ? ["Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "]
      : []),
  ];
  if (missing.length > 0 || date === undefined)
    return refuse(incomplete(`${missing.join("")}Authorization ${hashed()}`));
  const [sessionToken] = headerValues(sent, "x-amz-security-token");
  const [payloadHash] = headerValues(sent, "x-amz-content-sha256");
  return claimOf(sent, {
    form: "header",
    credential: values.get("Credential") ?? "",
    signedHeaders: values.get("SignedHeaders") ?? "",
    signature: values.get("Signature") ?? "",
    signedAt: date,
    sessionToken,
    payloadHash,
  });
}

/** Of X-Amz-Date, else of Date, which is in the form of RFC 9110. */
function signingDate(sent: SentParts): string | undefined {
  const [amzDate] = headerValues(sent, "x-amz-date");
  if (amzDate !== undefined) return amzDate;
  const [date] = headerValues(sent, "date");
  if (date === undefined) return undefined;
  const timeMs = Date.parse(date);
  return /^[A-Z][a-z]{2}, /.test(date) && !Number.isNaN(timeMs) ? toBasicFormat(timeMs) : date;
}

function readPresigned(sent: SentParts, query: ReadonlyMap<string, string>): RequestCredentials {
  const required = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
  const missing = required.filter((name) => (query.get(name.toLowerCase()) ?? "") === "");
  if (missing.length > 0) {
    const text = missing.map((name) => `AWS query-string parameters must include '${name}'. `).join("");
    return refuse(incomplete(`${text}Re-examine the query-string parameters.`));
  }
  const algorithm = query.get("x-amz-algorithm") ?? "";
  if (algorithm !== SIGNING_ALGORITHM) return refuse(unsupported(algorithm));
  const expires = query.get("x-amz-expires");
  if (expires !== undefined && !isExpiry(expires)) {
    const message = `X-Amz-Expires must be a number of seconds from 1 to ${longestExpirySeconds} (7 days).`;
    return refuse(incomplete(message));
  }
  return claimOf(sent, {
    form: "query",
    credential: query.get("x-amz-credential") ?? "",
    signedHeaders: query.get("x-amz-signedheaders") ?? "",
    signature: query.get("x-amz-signature") ?? "",
    signedAt: query.get("x-amz-date") ?? "",
    expiresSeconds: expires === undefined ? undefined : Number(expires),
    sessionToken: query.get("x-amz-security-token"),
    payloadHash: query.get("x-amz-content-sha256") ?? headerValues(sent, "x-amz-content-sha256")[0],
  });
}

function isExpiry(text: string): boolean {
  return /^[0-9]{1,6}$/.test(text) && Number(text) >= 1 && Number(text) <= longestExpirySeconds;
}

interface ClaimText {
  readonly form: SignatureClaim["form"];
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly signedAt: string;
  readonly expiresSeconds?: number | undefined;
  readonly sessionToken?: string | undefined;
  readonly payloadHash?: string | undefined;
}

function claimOf(sent: SentParts, text: ClaimText): RequestCredentials {
  const { form, signature, signedAt, expiresSeconds, sessionToken, payloadHash } = text;
  if (parseBasicFormat(signedAt) === undefined) {
    const got = shorten(signedAt);
    const message = `Date must be in ISO-8601 'basic format'. Got '${got}'. See http://en.wikipedia.org/wiki/ISO_8601`;
    return refuse(incomplete(message));
  }
  const signedHeaders = text.signedHeaders.split(";").map((name) => name.toLowerCase());
  if (!signedHeaders.includes("host")) {
    return refuse(invalidSignature("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
  }
  const absent = signedHeaders.find((name) => headerValues(sent, name).length === 0);
  if (absent !== undefined) {
    const message = `'${shorten(absent)}' is named as a SignedHeader, but it does not exist in the HTTP request.`;
    return refuse(incomplete(message));
  }
  const elements = text.credential.split("/");
  const [accessKeyId = "", date = "", region = "", service = "", end = ""] = elements;
  if (elements.length !== 5) {
    const example = "keyid/date/region/service/term";
    const message = `Credential must have exactly 5 slash-delimited elements, e.g. ${example}, got '${shorten(text.credential)}'`;
    return refuse(incomplete(message));
  }
  const problem = payloadHash === undefined ? undefined : payloadHashProblem(payloadHash);
  if (problem !== undefined) return refuse(incomplete(problem));
  if (sessionToken !== undefined && sessionToken.length > longestToken) {
    return refuse(incomplete(`X-Amz-Security-Token must be at most ${longestToken} characters long.`));
  }
  const claim: SignatureClaim = {
    ...{ form, accessKeyId, scope: { date, region, service, end }, signedHeaders, signature, signedAt },
    ...(expiresSeconds !== undefined && { expiresSeconds }),
    ...(sessionToken !== undefined && sessionToken !== "" && { sessionToken }),
    ...(payloadHash !== undefined && { payloadHash }),
  };
  return { kind: "signature", claim };
}

function payloadHashProblem(value: string): string | undefined {
  if (value === UNSIGNED_PAYLOAD || /^[0-9a-f]{64}$/.test(value)) return undefined;
  const right = `a SHA-256 in hex or ${UNSIGNED_PAYLOAD}`;
  if (value.startsWith("STREAMING-")) {
    return `x-amz-content-sha256 '${shorten(value)}' is not supported: send the payload in one piece with ${right}.`;
  }
  return `x-amz-content-sha256 must be ${right}, got '${shorten(value)}'.`;
}

function unsupported(algorithm: string): CredentialRefusal {
  return incomplete(`Unsupported AWS 'algorithm': '${shorten(algorithm)}' (only ${SIGNING_ALGORITHM} for now). `);
}

/** Lower-case names → values; of repeated ones the first. */
function parseQuery(query: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (!/x-amz-/i.test(query)) return values;
  for (const [name, value] of new URLSearchParams(query)) {
    if (!values.has(name.toLowerCase())) values.set(name.toLowerCase(), value);
  }
  return values;
}

function refuse(refusal: CredentialRefusal): RequestCredentials {
  return { kind: "refused", refusal };
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** `YYYYMMDDTHHMMSSZ` → ms since 1970; undefined when it is no such date. */
export function parseBasicFormat(text: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const timeMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(timeMs) || toBasicFormat(timeMs) !== text ? undefined : timeMs;
}

export function toBasicFormat(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

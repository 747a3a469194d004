/** Requests that real signers have signed, as they come over the wire, and our check of them. */
import { createHash, createHmac, generateKeyPairSync } from "node:crypto";
import { Readable } from "node:stream";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Clock } from "../../lib/clock.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import { createAccessControl, type AccessControl } from "../../runtime-proxy/access/access-control.ts";
import { serviceAccountUser } from "../../runtime-proxy/access/caller.ts";
import { FunctionCredentialMint } from "../../runtime-proxy/access/function-credentials.ts";
import { Reviews } from "../../runtime-proxy/access/reviews.ts";
import { runPython } from "./python-sdk.ts";

export const signer = { accessKeyId: "KLAKTESTTESTTESTTEST", secretAccessKey: "secret/with+odd=characters" };
export const region = "eu-central-1";

/** What is to be signed; paths and queries as the caller means them, not encoded. */
export interface PlainRequest {
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** As it comes over the wire. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

export function pathOf({ segments }: PlainRequest): string {
  return `/2015-03-31/functions/${segments.map(encodeURIComponent).join("/")}`;
}

export function queryOf(pairs: Iterable<readonly [string, string]>): string {
  return [...pairs].map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
}

/** As Python's quote() does: botocore signs a query as it stands. */
function strictQueryOf(pairs: Iterable<readonly [string, string]>): string {
  return queryOf(pairs).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** HTTP sends header values as bytes of UTF-8 here, and Node reads them as latin1. */
export function onWire(headers: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(headers).flatMap(([name, value]) => [name, Buffer.from(value, "utf8").toString("latin1")]);
}

export class Sha256 {
  readonly #secret: string | ArrayBuffer | ArrayBufferView | undefined;
  #chunks: Buffer[] = [];

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret;
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#chunks.push(bytesOf(data));
  }

  reset(): void {
    this.#chunks = [];
  }

  digest(): Promise<Uint8Array> {
    const hash = this.#secret === undefined ? createHash("sha256") : createHmac("sha256", bytesOf(this.#secret));
    for (const chunk of this.#chunks) hash.update(chunk);
    return Promise.resolve(new Uint8Array(hash.digest()));
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}

/** Signed by the signer of the AWS SDK for JavaScript, in its header or (`presigned`) in its query. */
export async function signWithSmithy(
  request: PlainRequest,
  signedAtMs: number,
  presigned = false,
): Promise<WireRequest> {
  const v4 = new SignatureV4({ credentials: signer, region, service: "lambda", sha256: Sha256 });
  const query: Record<string, string | string[]> = {};
  for (const [name, value] of request.query) query[name] = [...[query[name] ?? []].flat(), value];
  const unsigned = {
    ...{ method: request.method, protocol: "http:", hostname: "lambda.test", path: pathOf(request), query },
    headers: { host: "lambda.test", ...request.headers },
    body: request.body,
  };
  const signingDate = new Date(signedAtMs);
  const signed = presigned
    ? await v4.presign(unsigned, { signingDate, expiresIn: 3600 })
    : await v4.sign(unsigned, { signingDate });
  const pairs = Object.entries(signed.query ?? {}).flatMap(([name, value]) =>
    [value].flat().map((one) => [name, one ?? ""] as const),
  );
  return {
    method: request.method,
    path: signed.path,
    query: queryOf(pairs),
    headers: onWire(signed.headers),
    body: Buffer.from(request.body),
  };
}

/** Headers of a call by a key; `saysHash`: with the payload's SHA-256, without which its signature proves nothing before the payload is there. */
export async function signCall(
  url: URL,
  body: Buffer,
  options: { readonly credentials: typeof signer; readonly region: string; readonly saysHash: boolean },
): Promise<Record<string, string>> {
  const { saysHash, ...known } = options;
  const v4 = new SignatureV4({ ...known, service: "lambda", sha256: Sha256, applyChecksum: saysHash });
  const { protocol, hostname, pathname: path } = url;
  const { headers } = await v4.sign({
    ...{ method: "POST", protocol, hostname, path, query: {}, body },
    headers: { host: url.host },
  });
  return headers;
}

const botocoreScript = `
import json, sys, datetime
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
order = json.load(sys.stdin)
now = datetime.datetime.fromtimestamp(order["signedAt"], datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *args, **more: now.replace(tzinfo=None)
credentials = Credentials(order["accessKeyId"], order["secretAccessKey"])
out = []
for one in order["requests"]:
    request = AWSRequest(method=one["method"], url=one["url"], headers=one["headers"], data=one["body"].encode())
    botocore.auth.SigV4Auth(credentials, "lambda", order["region"]).add_auth(request)
    out.append({name: value for name, value in request.headers.items()})
json.dump(out, sys.stdout)
`;

/** Signed by botocore, which does not say what the payload's hash is. */
export async function signWithBotocore(
  requests: readonly PlainRequest[],
  signedAtMs: number,
): Promise<readonly WireRequest[]> {
  const wire = requests.map((request) => ({ ...request, path: pathOf(request), query: strictQueryOf(request.query) }));
  const order = {
    ...{ ...signer, region, signedAt: Math.floor(signedAtMs / 1000) },
    requests: wire.map(({ method, path, query, headers, body }) => ({
      ...{ method, headers, body },
      url: `http://lambda.test${path}${query === "" ? "" : `?${query}`}`,
    })),
  };
  const signed = JSON.parse(await runPython(botocoreScript, { input: JSON.stringify(order) })) as readonly Record<
    string,
    string
  >[];
  return wire.map(({ method, path, query, body }, index) => ({
    ...{ method, path, query, body: Buffer.from(body) },
    headers: onWire({ host: "lambda.test", ...signed[index] }),
  }));
}

/** Access control that knows one key, and asks nobody. */
export function accessWithOneKey(nowMs: number): AccessControl {
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => 0, schedule: () => () => undefined };
  const caller = { ...serviceAccountUser("team-a", "ci"), how: "accessKey", accessKeyId: signer.accessKeyId } as const;
  const { secretAccessKey } = signer;
  return createAccessControl({
    ...{ mode: "required", region, clock },
    keys: { find: (id) => (id === signer.accessKeyId ? { secretAccessKey, caller } : undefined) },
    mint: new FunctionCredentialMint(generateKeyPairSync("ed25519").privateKey, () => nowMs),
    reviews: new Reviews({ raw: () => Promise.reject(new Error("there is nobody to ask")) }, clock),
  });
}

/** "ok", or the code and message of the refusal. */
export async function verify(access: AccessControl, wire: WireRequest): Promise<string> {
  try {
    const entered = await access.authenticate(toHttpRequest(wire));
    entered.update?.(wire.body);
    entered.confirm();
    return entered.isProven() ? "ok" : "not proven";
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code} ${message}`;
  }
}

function toHttpRequest({ method, path, query, headers, body }: WireRequest): HttpRequest {
  const sent = { query, headers, httpVersion: "1.1", remoteAddress: "127.0.0.1", localPort: 0, isEncrypted: false };
  const signal = new AbortController().signal;
  const whenAnswered = (): void => undefined;
  const common = { method, path, query: new URLSearchParams(query), headers: {}, signal, sent, whenAnswered };
  return { ...common, body: Readable.from([body]) };
}

/** Requests to an S3-compatible service: where an object is, and the proof of who asks (Signature Version 4). */
import { isIP } from "node:net";
import type { Readable } from "node:stream";
import { AwsV4Signer } from "aws4fetch";
import { request, type Dispatcher } from "undici";
import { requireReachable } from "./checked-lookup.ts";
import type { Connection } from "./fetch-bytes.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3Bucket {
  /** `http(s)://host[:port]` */
  readonly endpoint: string;
  readonly region: string;
  /** Where the bucket's name stands: first in the path, or before the host's name. */
  readonly addressing: "path" | "host";
  readonly bucket: string;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** Absent: the bucket itself. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as they are, unsigned. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | Readable;
  /** Hex of the body, which the service compares; absent: it takes what comes. */
  readonly bodySha256?: string;
}

/** One request. Redirects are answers: a signature is for one host. Without credentials it is nobody's. */
export async function requestS3(
  { dispatcher, signal, rules }: Connection,
  bucket: S3Bucket,
  credentials: S3Credentials | undefined,
  { method, key, query = {}, headers = {}, body, bodySha256 }: S3Request,
): Promise<Dispatcher.ResponseData> {
  const url = objectUrl(bucket, key, query);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(hostname) !== 0) requireReachable(rules, hostname, hostname);
  const proof = credentials === undefined ? {} : await prove(bucket, credentials, { method, url, bodySha256 });
  return await request(url, {
    dispatcher,
    signal,
    method,
    headers: { "accept-encoding": "identity", "user-agent": "kubelambda", ...headers, ...proof },
    ...(body !== undefined && { body }),
  });
}

/** Without `bodySha256` bytes are not signed: what is read is compared with its digest, and TLS is the way's own. */
async function prove(
  { region }: S3Bucket,
  credentials: S3Credentials,
  { method, url, bodySha256 }: { readonly method: string; readonly url: URL; readonly bodySha256: string | undefined },
): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const session = sessionToken === undefined ? {} : { sessionToken };
  const signer = new AwsV4Signer({
    ...{ method, url: url.href, accessKeyId, secretAccessKey, region, service: "s3" },
    ...session,
    ...(bodySha256 !== undefined && { headers: { "x-amz-content-sha256": bodySha256 } }),
  });
  return Object.fromEntries((await signer.sign()).headers);
}

/** `key` must have no segments "." and "..", which urls cannot hold. */
export function objectUrl(
  { endpoint, addressing, bucket }: S3Bucket,
  key: string | undefined,
  query: Readonly<Record<string, string>>,
): URL {
  const url = new URL(endpoint);
  if (addressing === "host") url.host = `${bucket}.${url.host}`;
  const path = (key ?? "").split("/").map(encode).join("/");
  url.pathname = addressing === "host" ? `/${path}` : `/${encode(bucket)}${key === undefined ? "" : `/${path}`}`;
  url.search = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join("&");
  return url;
}

/** As signatures are computed: everything but A-Z a-z 0-9 - . _ ~. Source: Amazon S3 API reference, Signature Version 4. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

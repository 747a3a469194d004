/** A bucket of an S3-compatible service. Source: Amazon S3 API reference. */
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher } from "undici";
import { readBody } from "../../lib/http/read-body.ts";
import { BucketError, type Bucket, type BucketContent, type BucketHead, type BucketObject } from "./bucket.ts";
import { element, readS3Failure } from "./s3-error.ts";
import { requestS3, type S3Bucket, type S3Credentials, type S3Request } from "./s3-request.ts";

export interface S3BucketOptions {
  readonly at: S3Bucket;
  readonly credentials: S3Credentials;
  /** Before every key, e.g. `kubelambda/`; may be empty. */
  readonly prefix: string;
  /** Wait before the second try, ms; doubles each time; default 100. */
  readonly firstWaitMs?: number;
}

const tries = 5;
const silenceMs = 30_000;
/** Of 250 MB to a slow service, ms. */
const deadlineMs = 300_000;
const listLimitBytes = 4 * 1024 * 1024;

/** Opens nothing until it is asked; close it. */
export class S3ObjectBucket implements Bucket {
  readonly #options: S3BucketOptions;
  readonly #dispatcher = new Agent({
    connect: { timeout: 10_000 },
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    connections: 64,
  });

  constructor(options: S3BucketOptions) {
    this.#options = options;
  }

  async put(key: string, { bytes, sha256, open }: BucketContent): Promise<string> {
    const headers = { "content-length": String(bytes) };
    const answer = await this.#send(`write "${key}"`, () => ({
      ...{ method: "PUT", key: this.#keyOf(key), headers, bodySha256: sha256, body: open() },
    }));
    await answer.body.dump();
    return etagOf(answer);
  }

  async get(key: string): Promise<Readable | undefined> {
    const answer = await this.#send(`read "${key}"`, () => ({ method: "GET", key: this.#keyOf(key) }), [404]);
    if (answer.statusCode !== 404) return answer.body;
    await answer.body.dump();
    return undefined;
  }

  async head(key: string): Promise<BucketHead | undefined> {
    const answer = await this.#send(`look at "${key}"`, () => ({ method: "HEAD", key: this.#keyOf(key) }), [404]);
    await answer.body.dump();
    if (answer.statusCode === 404) return undefined;
    return { bytes: Number(answer.headers["content-length"]), etag: etagOf(answer) };
  }

  async list(prefix: string, limit = Infinity): Promise<readonly BucketObject[]> {
    const found: BucketObject[] = [];
    let from: string | undefined;
    do {
      const query = {
        "list-type": "2",
        prefix: this.#keyOf(prefix),
        "max-keys": String(Math.min(1000, limit)),
        ...(from !== undefined && { "continuation-token": from }),
      };
      const answer = await this.#send(`list "${prefix}"`, () => ({ method: "GET", query }));
      const xml = (await readBody(answer.body, listLimitBytes)).toString("utf8");
      for (const [, one = ""] of xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)) found.push(this.#toObject(one));
      from = element(xml, "IsTruncated") === "true" ? element(xml, "NextContinuationToken") : undefined;
    } while (from !== undefined && found.length < limit);
    return found.slice(0, limit);
  }

  async remove(key: string): Promise<void> {
    const answer = await this.#send(`remove "${key}"`, () => ({ method: "DELETE", key: this.#keyOf(key) }), [404]);
    await answer.body.dump();
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  #keyOf(key: string): string {
    return `${this.#options.prefix}${key}`;
  }

  #toObject(xml: string): BucketObject {
    return {
      key: (element(xml, "Key") ?? "").slice(this.#options.prefix.length),
      bytes: Number(element(xml, "Size")),
      modifiedAtMs: Date.parse(element(xml, "LastModified") ?? ""),
    };
  }

  /** An answer of 2xx, or one of `also`; tries again what may be better then. */
  async #send(action: string, make: () => S3Request, also: readonly number[] = []): Promise<Dispatcher.ResponseData> {
    for (let attempt = 1; ; attempt++) {
      const said = await this.#sendOnce(make(), also);
      if (typeof said !== "object" || !("why" in said)) return said;
      if (!said.mayHelp || attempt >= tries)
        throw new BucketError(`Cannot ${action} in bucket "${this.#options.at.bucket}": ${said.why}`);
      await sleep((this.#options.firstWaitMs ?? 100) * 2 ** (attempt - 1));
    }
  }

  async #sendOnce(
    request: S3Request,
    also: readonly number[],
  ): Promise<Dispatcher.ResponseData | { readonly why: string; readonly mayHelp: boolean }> {
    const { at, credentials } = this.#options;
    const connection = {
      ...{ dispatcher: this.#dispatcher, signal: AbortSignal.timeout(deadlineMs), rules: () => undefined },
    };
    try {
      const answer = await requestS3(connection, at, credentials, request);
      const { statusCode } = answer;
      if ((statusCode >= 200 && statusCode < 300) || also.includes(statusCode)) return answer;
      const { code, message } = await readS3Failure(answer);
      const mayHelp = statusCode >= 500 || statusCode === 408 || statusCode === 429 || code === "RequestTimeout";
      return { why: `it answered ${statusCode} ${code} ${message}`.trim(), mayHelp };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { why: `the connection failed (${"code" in error ? String(error.code) : error.message})`, mayHelp: true };
    }
  }
}

function etagOf({ headers }: Dispatcher.ResponseData): string {
  return typeof headers["etag"] === "string" ? headers["etag"] : "";
}

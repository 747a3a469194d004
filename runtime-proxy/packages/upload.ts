/** Sends a zip to the package store, again and again while that may help. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request, type Dispatcher } from "undici";
import {
  pushPartHeader,
  uploadDigestHeader,
  type PackageErrorCode,
  type ResolveAnswer,
} from "../../crds/wire/packages.ts";
import { readBody } from "../../lib/http/read-body.ts";
import { PackageError } from "./package-error.ts";

/** Where to, and with what proof. */
export interface UploadWay {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Default: one of its own. */
  readonly dispatcher?: Dispatcher | undefined;
}

export interface UploadRequest {
  /** Asked for every try, since tokens are renewed. */
  readonly way: () => Promise<UploadWay>;
  readonly path: string;
  /** `sha256:<hex>` of the file. */
  readonly digest: string;
  /** Bytes that the store has of it already. Default 0. */
  readonly receivedBytes?: number | undefined;
  /** Asked before another try, where a push goes on: what the store has of it by now. */
  readonly ask?: () => Promise<ResolveAnswer>;
  readonly signal?: AbortSignal;
  /** Wait before the second try, ms; doubles each time; default 200. */
  readonly firstWaitMs?: number;
}

const retried: ReadonlySet<string> = new Set<PackageErrorCode>(["StoreUnavailable", "DigestMismatch"]);
const tries = 6;
const silenceMs = 60_000;
/** The store checks the whole archive before it answers. */
const answerMs = 300_000;
const answerLimitBytes = 64 * 1024;

/** The store's own answer; throws PackageError when it gives none. */
export async function uploadPackage(wanted: UploadRequest): Promise<ResolveAnswer> {
  const dispatcher = new Agent({ connect: { timeout: 10_000 }, headersTimeout: answerMs, bodyTimeout: silenceMs });
  try {
    let offset = wanted.receivedBytes ?? 0;
    for (let attempt = 1; ; attempt++) {
      const answer = await sendOnce(wanted, offset, dispatcher);
      const mayHelp = !answer.ok && retried.has(answer.error.code);
      if (!mayHelp || attempt >= tries || wanted.signal?.aborted === true) return answer;
      const waitMs = (wanted.firstWaitMs ?? 200) * 2 ** (attempt - 1);
      await sleep(waitMs, undefined, { ...(wanted.signal !== undefined && { signal: wanted.signal }) }).catch(
        () => undefined,
      );
      const there = await wanted.ask?.().catch(() => undefined);
      // It was taken, and the answer lost.
      if (there?.ok === true) return there;
      const receivedBytes = there?.error.receivedBytes ?? 0;
      // What comes nearer to its end may go on.
      if (receivedBytes > offset) attempt = 0;
      offset = receivedBytes;
    }
  } finally {
    await dispatcher.destroy();
  }
}

async function sendOnce(
  { way, path, digest, signal }: UploadRequest,
  wantedOffset: number,
  ownDispatcher: Agent,
): Promise<ResolveAnswer> {
  const { size } = await stat(path);
  const offset = wantedOffset <= size ? wantedOffset : 0;
  const { url, headers, dispatcher = ownDispatcher } = await way();
  const body = createReadStream(path, { start: offset });
  try {
    const answer = await request(url, {
      dispatcher,
      method: "POST",
      headersTimeout: answerMs,
      bodyTimeout: silenceMs,
      headers: {
        ...headers,
        "content-type": "application/zip",
        "content-length": String(size - offset),
        ...(offset > 0 && { [pushPartHeader]: `${offset}/${size}` }),
        [uploadDigestHeader]: digest,
      },
      body,
      ...(signal !== undefined && { signal }),
    });
    const text = (await readBody(answer.body, answerLimitBytes)).toString("utf8");
    if (answer.statusCode === 200) return JSON.parse(text) as ResolveAnswer;
    const message = `the package store answered ${answer.statusCode}: ${text.slice(0, 300)}`;
    if (answer.statusCode < 500 && answer.statusCode !== 429)
      throw new PackageError("FetchFailed", `Cannot send the package: ${message}`);
    return unavailable(message);
  } catch (error) {
    if (error instanceof PackageError || !(error instanceof Error)) throw error;
    return unavailable(
      `the connection to the package store failed (${"code" in error ? String(error.code) : error.message})`,
    );
  } finally {
    body.destroy();
  }
}

function unavailable(why: string): ResolveAnswer {
  return { ok: false, error: { code: "StoreUnavailable", message: `Cannot send the package: ${why}` } };
}

/** Brings a package from the store to a local file. On the path of every cold start: node:http by getBuiltinModule loads ten times faster than undici. */
import { createHash, type Hash } from "node:crypto";
import type { ClientRequest, IncomingMessage } from "node:http";
import { open, type FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { routes } from "../../crds/wire/routes.ts";
import { countPassing } from "./buffer-garbage.ts";
import type { KnownHosts } from "./known-hosts.ts";
import { PackageError } from "./package-error.ts";

const http = process.getBuiltinModule("node:http");

export interface DownloadRequest {
  /** Of the package store: `http(s)://host:port`. */
  readonly baseUrl: string;
  /** Of the node's cache, which is asked first and once: whatever it says, the store has the last word. Empty: there is none. */
  readonly cacheUrl?: string | undefined;
  /** `sha256:<hex>` */
  readonly digest: string;
  /** File to make. */
  readonly path: string;
  /** Read for every try, since the kubelet renews it. */
  readonly readToken: () => Promise<string>;
  readonly signal: AbortSignal;
  /** Where its hosts were before; absent: they are looked up. */
  readonly hosts?: KnownHosts | undefined;
  readonly limitBytes: number;
  /** Tries in all; default 6. */
  readonly tries?: number;
  /** Wait before the second try, ms; doubles each time; default 50. */
  readonly firstWaitMs?: number;
  /** Longest silence of the store, ms; default 10,000. */
  readonly silenceMs?: number;
}

export interface Download {
  readonly bytes: number;
  /** Who had the last of them. */
  readonly from: "cache" | "store";
}

/** Of a cache, ms: where a node has none, packets to its Service are dropped without a word. */
const cacheConnectMs = 250;
const cacheSilenceMs = 2000;

interface Progress {
  readonly file: FileHandle;
  hash: Hash;
  bytes: number;
}

/** Brings verified content. What breaks is continued where it broke; throws PackageError when no try is left. */
export async function downloadPackage(wanted: DownloadRequest): Promise<Download> {
  const file = await open(wanted.path, "wx", 0o600);
  const progress: Progress = { file, hash: createHash("sha256"), bytes: 0 };
  try {
    if (await tryCache(wanted, progress)) return { bytes: progress.bytes, from: "cache" };
    for (let attempt = 1; ; attempt++) {
      const failure = await tryOnce(wanted, progress);
      if (failure === undefined) return { bytes: progress.bytes, from: "store" };
      const isFinal = failure.code !== "StoreUnavailable" && failure.code !== "DigestMismatch";
      if (isFinal || wanted.signal.aborted || attempt >= (wanted.tries ?? 6)) throw failure;
      await sleep((wanted.firstWaitMs ?? 50) * 2 ** (attempt - 1), undefined, { signal: wanted.signal }).catch(
        () => undefined,
      );
    }
  } finally {
    await file.close();
  }
}

async function tryCache(wanted: DownloadRequest, progress: Progress): Promise<boolean> {
  const { cacheUrl: baseUrl } = wanted;
  if (baseUrl === undefined || baseUrl === "") return false;
  const request = { ...wanted, baseUrl, connectMs: cacheConnectMs, silenceMs: cacheSilenceMs };
  return (await tryOnce(request, progress)) === undefined;
}

interface Try extends DownloadRequest {
  /** Longest wait for a connection once the host's address is known, ms; default: as for any other silence. */
  readonly connectMs?: number;
}

async function tryOnce(wanted: Try, progress: Progress): Promise<PackageError | undefined> {
  try {
    const answer = await ask(wanted, progress.bytes);
    await take(wanted, progress, answer);
    const digest = `sha256:${progress.hash.copy().digest("hex")}`;
    if (digest === wanted.digest) return undefined;
    await restart(progress);
    return new PackageError("DigestMismatch", `the store's content has the digest ${digest}`);
  } catch (error) {
    wanted.hosts?.forget();
    return translate(error, wanted);
  }
}

/** Of nothing, which is no package. */
const emptyDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

export type Greeting = Pick<DownloadRequest, "baseUrl" | "cacheUrl" | "readToken" | "signal" | "hosts">;

/**
 * Asks for a package that nobody has, so that where the hosts are and whose the token is, is known by all when one is wanted. What fails here fails again
 * then, and is told then.
 */
export async function greetStore({ baseUrl, cacheUrl = "", ...greeting }: Greeting): Promise<void> {
  const at = cacheUrl === "" ? { baseUrl } : { baseUrl: cacheUrl, connectMs: cacheConnectMs };
  try {
    const answer = await ask({ ...greeting, ...at, digest: emptyDigest, silenceMs: cacheSilenceMs }, 0);
    answer.destroy();
  } catch {
    greeting.hosts?.forget();
  }
}

type Asked = Pick<Try, "baseUrl" | "digest" | "readToken" | "signal" | "silenceMs" | "connectMs" | "hosts">;

async function ask(
  { baseUrl, digest, readToken, signal, silenceMs = 10_000, connectMs, hosts }: Asked,
  from: number,
): Promise<IncomingMessage> {
  const url = new URL(routes.object(digest), baseUrl);
  const authorization = `Bearer ${(await readToken()).trim()}`;
  const headers = { authorization, ...(from > 0 && { range: `bytes=${from}-` }) };
  const client = url.protocol === "https:" ? process.getBuiltinModule("node:https") : http;
  return await new Promise((resolve, reject) => {
    const lookup = hosts === undefined ? {} : { lookup: hosts.lookup };
    const request = client.get(url, { headers, signal, agent: false, timeout: silenceMs, ...lookup }, resolve);
    request.once("timeout", () =>
      request.destroy(new PackageError("StoreUnavailable", `the package store was silent for ${silenceMs} ms`)),
    );
    if (connectMs !== undefined) limitConnecting(request, connectMs);
    request.once("error", reject);
  });
}

function limitConnecting(request: ClientRequest, connectMs: number): void {
  const late = (): void =>
    void request.destroy(new PackageError("StoreUnavailable", `no connection within ${connectMs} ms`));
  request.once("socket", (socket) => {
    let timer: NodeJS.Timeout | undefined;
    socket.once("connectionAttempt", () => (timer = setTimeout(late, connectMs)));
    for (const event of ["connect", "close"]) socket.once(event, () => clearTimeout(timer));
  });
}

async function take(
  { limitBytes, digest }: DownloadRequest,
  progress: Progress,
  answer: IncomingMessage,
): Promise<void> {
  try {
    if (answer.statusCode === 200) await restart(progress);
    else if (answer.statusCode !== 206) throw await refused(answer, digest);
    else if (!(answer.headers["content-range"] ?? "").startsWith(`bytes ${progress.bytes}-`)) {
      await restart(progress);
      throw new PackageError("StoreUnavailable", "the package store answered another range than was asked for");
    }
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      if (progress.bytes + chunk.length > limitBytes) {
        throw new PackageError("CodeTooLarge", `the store's content is longer than ${limitBytes} bytes`);
      }
      await add(progress, chunk);
    }
  } finally {
    answer.destroy();
  }
}

async function add(progress: Progress, chunk: Buffer): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    const { bytesWritten } = await progress.file.write(
      chunk,
      written,
      chunk.length - written,
      progress.bytes + written,
    );
    written += bytesWritten;
  }
  progress.hash.update(chunk);
  progress.bytes += chunk.length;
  countPassing(chunk.length);
}

async function restart(progress: Progress): Promise<void> {
  if (progress.bytes === 0) return;
  await progress.file.truncate(0);
  progress.hash = createHash("sha256");
  progress.bytes = 0;
}

/** Only what the store says of the package itself is final: tokens are renewed, keys are read again, stores come back. */
async function refused(answer: IncomingMessage, digest: string): Promise<PackageError> {
  let text = "";
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    text += chunk.toString("utf8");
    if (text.length > 4096) break;
  }
  const status = answer.statusCode ?? 0;
  if (status === 404)
    return new PackageError("PackageNotFound", messageOf(text) ?? `the package store has no "${digest}"`);
  return new PackageError(
    "StoreUnavailable",
    `the package store answered ${status}: ${messageOf(text) ?? "no reason"}`,
  );
}

function messageOf(text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown };
    return typeof message === "string" ? message : undefined;
  } catch {
    return undefined;
  }
}

function translate(error: unknown, { signal }: DownloadRequest): PackageError {
  if (error instanceof PackageError) return error;
  if (signal.aborted) return new PackageError("StoreUnavailable", "the time for it is over", { cause: error });
  if (!(error instanceof Error) || !("code" in error)) throw error;
  if (error.code === "ENOSPC" || error.code === "EIO" || error.code === "EDQUOT" || error.code === "ENOENT")
    throw error;
  return new PackageError("StoreUnavailable", `the connection to the package store failed (${String(error.code)})`, {
    cause: error,
  });
}

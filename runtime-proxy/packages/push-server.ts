/** Packages that users push, on a port of their own: it can be reached from outside of the cluster, and does nothing else. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { pushPartHeader, pushTokenHeader, uploadLimitBytes, type ResolveAnswer } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { PackagesMetrics } from "./metrics.ts";
import { PackageError } from "./package-error.ts";
import type { PartialPushes, PushName, PushPart } from "./partial-pushes.ts";
import { refusal, refuseMethod, refuseToken } from "./refusals.ts";
import { answerOf } from "./resolve-answer.ts";
import type { Resolver } from "./resolver.ts";
import type { PackagesLog } from "./server-log.ts";
import { UploadSlots } from "./upload-slots.ts";

/** Whose package it is to be. */
export type PushIdentity = (
  request: HttpRequest,
) => Promise<{ readonly ok: true; readonly namespace: string } | { readonly ok: false; readonly reason: string }>;

export interface PushServerOptions {
  readonly identify: PushIdentity;
  readonly resolver: Resolver;
  readonly partials: PartialPushes;
  readonly metrics: PackagesMetrics;
  readonly log: PackagesLog;
  /** How long what is pushed stays without being used, ms. */
  readonly keepMs: number;
}

const pushPath = new RegExp(`^${routes.push("sha256:")}([0-9a-f]{64})$`);
/** Of one namespace, and of all together; who comes then is asked to come back. */
const pushesOfNamespace = 4;
const pushesAtOnce = 16;
/** Longest silence of a sender, ms. */
const silenceMs = 60_000;

/** Whoever may make tokens of a namespace's ServiceAccounts may run pods there: what those may keep, they may. */
export function pushIdentity(verifyToken: TokenVerifier): PushIdentity {
  return async ({ headers }) => {
    const token = headers[pushTokenHeader];
    const check = await verifyToken(token === undefined ? undefined : `Bearer ${token}`);
    return check.ok ? { ok: true, namespace: check.identity.namespace } : check;
  };
}

export function createPushHandler(options: PushServerOptions): HttpHandler {
  const slots = new UploadSlots(pushesOfNamespace);
  const all = new UploadSlots(pushesAtOnce);
  return async (request) => {
    const { path, method } = request;
    const hex = pushPath.exec(path)?.[1];
    if (hex === undefined) return refusal("NotFound", `Cannot serve "${path.slice(0, 200)}": no such path`);
    if (method !== "POST") return refuseMethod(method, path, "POST");
    const identity = await options.identify(request);
    if (!identity.ok) return refuseToken(identity.reason);
    const { namespace } = identity;
    if (Number(request.headers["content-length"] ?? 0) > uploadLimitBytes)
      return refusal("BodyTooLarge", `Cannot take the package: longer than ${uploadLimitBytes} bytes`);
    const step = () => take(options, request, { namespace, digest: `sha256:${hex}` });
    const taken = await slots.run(namespace, () => all.run("all", step));
    const message = `Cannot take the package: ${pushesOfNamespace} of namespace "${namespace}" or ${pushesAtOnce} in all are on their way already`;
    return taken ?? refusal("TooManyUploads", message, { "retry-after": "1" });
  };
}

async function take(options: PushServerOptions, { headers, body }: HttpRequest, name: PushName): Promise<HttpResponse> {
  const { metrics, log } = options;
  const part = partOf(headers);
  const isQuestion = headers["content-length"] === "0" && part === undefined;
  const timer = metrics.resolveSeconds.startTimer({ source: isQuestion ? "pushAsked" : "push" });
  const answer = isQuestion
    ? await keep(options, name)
    : await receive(options, { ...name, ...(part ?? wholeOf(headers)) }, body);
  timer({ result: answer.ok ? "ok" : answer.error.code });
  if (!isQuestion) log.info(answer.ok ? "Package pushed" : "Package not taken", { ...name, ok: answer.ok });
  return jsonResponse(200, answer);
}

/** With what is here of one that was not pushed to its end. */
async function keep({ resolver, partials, log, keepMs }: PushServerOptions, name: PushName): Promise<ResolveAnswer> {
  const answer = await answerOf(resolver.keep(name.namespace, name.digest, keepMs), log);
  return answer.ok ? answer : await withReceived(partials, name, answer);
}

async function receive(
  { resolver, partials, log, keepMs }: PushServerOptions,
  part: PushPart,
  body: Readable,
): Promise<ResolveAnswer> {
  const { namespace, digest } = part;
  const received = await partials
    .receive(part, untilSilent(body), (reason) => void body.destroy(reason))
    .catch((error: unknown) => brokenOff(error));
  if (received instanceof PackageError) return await answerOf(Promise.reject(received), log);
  if (!received.isWhole) return await withReceived(partials, part, otherOffset(part));
  const answer = await answerOf(resolver.take(namespace, digest, createReadStream(received.path), keepMs), log);
  // What only the store was in the way of need not be sent again.
  if (answer.ok || answer.error.code !== "StoreUnavailable") await partials.remove(part);
  return answer;
}

type Refused = ResolveAnswer & { readonly ok: false };

async function withReceived(partials: PartialPushes, name: PushName, { error }: Refused): Promise<ResolveAnswer> {
  const receivedBytes = await partials.receivedBytes(name);
  return { ok: false, error: { ...error, ...(receivedBytes > 0 && { receivedBytes }) } };
}

/** It may have come to another replica, or have been given up. */
function otherOffset({ offset }: PushPart): Refused {
  const message = `Cannot go on with the package at byte ${offset}: other bytes are here`;
  return { ok: false, error: { code: "StoreUnavailable", message } };
}

/** Undefined for one that is whole, or says nothing that can be read. */
function partOf(headers: HttpRequest["headers"]): Pick<PushPart, "offset" | "totalBytes"> | undefined {
  const match = /^([0-9]{1,12})\/([0-9]{1,12})$/.exec(headers[pushPartHeader] ?? "");
  return match === null ? undefined : { offset: Number(match[1]), totalBytes: Number(match[2]) };
}

function wholeOf(headers: HttpRequest["headers"]): Pick<PushPart, "offset" | "totalBytes"> {
  const length = headers["content-length"];
  return { offset: 0, ...(length !== undefined && { totalBytes: Number(length) }) };
}

function brokenOff(error: unknown): PackageError {
  if (error instanceof PackageError) return error;
  // Of our own disk.
  if (error instanceof Error && "syscall" in error && "path" in error) throw error;
  return new PackageError("FetchFailed", "Cannot take the package: its sender broke off", { cause: error });
}

/** Fails when nothing has come for too long. */
async function* untilSilent(body: Readable): AsyncGenerator<Buffer, void, undefined> {
  const onSilence = (): void => void body.destroy(new Error(`Nothing has come for ${silenceMs} ms`));
  let timer = setTimeout(onSilence, silenceMs);
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      clearTimeout(timer);
      yield chunk;
      timer = setTimeout(onSilence, silenceMs);
    }
  } finally {
    clearTimeout(timer);
  }
}

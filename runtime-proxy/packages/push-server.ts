/** Packages that users push, on a port of their own: it can be reached from outside of the cluster, and does nothing else. */
import type { Readable } from "node:stream";
import { pushTokenHeader, uploadLimitBytes } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { PackagesMetrics } from "./metrics.ts";
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

async function take(
  { resolver, metrics, log, keepMs }: PushServerOptions,
  { headers, body }: HttpRequest,
  { namespace, digest }: { readonly namespace: string; readonly digest: string },
): Promise<HttpResponse> {
  const isQuestion = headers["content-length"] === "0";
  const timer = metrics.resolveSeconds.startTimer({ source: isQuestion ? "pushAsked" : "push" });
  const step = isQuestion
    ? resolver.keep(namespace, digest, keepMs)
    : resolver.take(namespace, digest, untilSilent(body), keepMs);
  const answer = await answerOf(step, log);
  timer({ result: answer.ok ? "ok" : answer.error.code });
  if (!isQuestion) log.info(answer.ok ? "Package pushed" : "Package not taken", { namespace, digest, ok: answer.ok });
  return jsonResponse(200, answer);
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

/** The package store over HTTP: resolve and references for the operator, objects for the namespaces that may read them. */
import {
  referencesSchema,
  resolveRequestSchema,
  storeHeader,
  type PackageErrorCode,
  type References,
} from "../../crds/wire/packages.ts";
import { resolveImageRequestSchema } from "../../crds/wire/images.ts";
import { routes } from "../../crds/wire/routes.ts";
import { ConcurrencyLimit } from "../../lib/concurrency-limit.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import { BodyTooLargeError, readBody } from "../../lib/http/read-body.ts";
import type { TokenIdentity, TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { ImageLookups } from "./image-lookups.ts";
import type { PackagesMetrics } from "./metrics.ts";
import { refusal, refuseMethod, refuseToken } from "./refusals.ts";
import { answerOf } from "./resolve-answer.ts";
import type { Resolver } from "./resolver.ts";
import { serveContent, toObject } from "./serve-content.ts";
import type { PackagesLog } from "./server-log.ts";
import type { PackageStore } from "./store.ts";
import { UploadSlots } from "./upload-slots.ts";
import { takeUpload, uploadsOfNamespace } from "./uploads.ts";

/** The one service account that may resolve sources and say what is needed. */
export interface ServiceAccountName {
  readonly namespace: string;
  readonly serviceAccount: string;
}

export interface PackagesServerOptions {
  readonly store: PackageStore;
  readonly resolver: Resolver;
  readonly images: ImageLookups;
  readonly verifyToken: TokenVerifier;
  readonly operator: ServiceAccountName;
  readonly collectGraceMs: number;
  readonly nowMs: () => number;
  readonly log: PackagesLog;
  readonly metrics: PackagesMetrics;
}

/** A zip of 50 MB in base64 within a request of Lambda's own bound, and some room for names. */
const resolveLimitBytes = 70_400_000;
const imageRequestLimitBytes = 16 * 1024;
/** 100,000 digests of some 75 bytes are 7.5 MB. */
const referencesLimitBytes = 32 * 1024 * 1024;
/** Larger bodies are held in memory one at a time. */
const largeBodyBytes = 4 * 1024 * 1024;

export function createPackagesHandler(options: PackagesServerOptions): HttpHandler {
  const largeBodies = new ConcurrencyLimit(1);
  const uploads = new UploadSlots(uploadsOfNamespace);
  return async (request) => {
    const { path, method } = request;
    if (path === routes.resolve) {
      if (method !== "POST") return refuseMethod(method, path, "POST");
      return await asOperator(options, request, () => inTurn(largeBodies, request, () => resolve(options, request)));
    }
    if (path === routes.resolveImage) {
      if (method !== "POST") return refuseMethod(method, path, "POST");
      return await asOperator(options, request, () => resolveImage(options, request));
    }
    if (path === routes.store) {
      if (method !== "GET") return refuseMethod(method, path, "GET");
      return await asOperator(options, request, () => Promise.resolve({ status: 204 }));
    }
    if (path === routes.references) {
      if (method !== "PUT") return refuseMethod(method, path, "PUT");
      return await asOperator(options, request, () => inTurn(largeBodies, request, () => collect(options, request)));
    }
    if (path === routes.packages) {
      if (method !== "POST") return refuseMethod(method, path, "POST");
      return await takeUpload(options, uploads, request);
    }
    return await toObject(request, (digest) => serveObject(options, request, digest));
  };
}

/** A failure without a better answer: logged with its cause, answered without. */
export function answerUnexpected(log: PackagesLog, error: unknown, { method, path }: HttpRequest): HttpResponse {
  log.error("Cannot answer a request", { method, path, error: error instanceof Error ? error.stack : String(error) });
  const code: PackageErrorCode = "StoreUnavailable";
  return jsonResponse(503, { code, message: "Cannot answer: the package store has an internal error" });
}

async function asOperator(
  { verifyToken, operator, store }: PackagesServerOptions,
  request: HttpRequest,
  step: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const check = await verifyToken(request.headers["authorization"]);
  if (!check.ok) return refuseToken(check.reason);
  const { namespace, serviceAccount } = check.identity;
  if (namespace === operator.namespace && serviceAccount === operator.serviceAccount) {
    const response = await step();
    return { ...response, headers: { ...response.headers, [storeHeader]: store.id } };
  }
  const who = `service account "${namespace}/${serviceAccount}"`;
  const right = `"${operator.namespace}/${operator.serviceAccount}"`;
  return refusal("Forbidden", `Cannot ${request.method} "${request.path}" as ${who}: only ${right} may`);
}

async function inTurn(
  largeBodies: ConcurrencyLimit,
  { headers }: HttpRequest,
  step: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const bytes = Number(headers["content-length"] ?? Infinity);
  return bytes > largeBodyBytes ? await largeBodies.run(step) : await step();
}

async function resolve({ resolver, metrics, log }: PackagesServerOptions, request: HttpRequest): Promise<HttpResponse> {
  const body = await readJson(request, resolveLimitBytes);
  if (!body.ok) return body.refusal;
  const parsed = resolveRequestSchema.safeParse(body.value);
  if (!parsed.success)
    return refusal("BadRequest", `Cannot read the request: ${parsed.error.issues[0]?.message ?? "wrong shape"}`);
  const { source, namespace } = parsed.data;
  const timer = metrics.resolveSeconds.startTimer({ source: source.type });
  const answer = await answerOf(resolver.resolve(parsed.data), log);
  timer({ result: answer.ok ? "ok" : answer.error.code });
  if (!answer.ok) log.info("Source not resolved", { namespace, source: source.type, ...answer.error });
  return jsonResponse(200, answer);
}

async function resolveImage(
  { images, metrics, log }: PackagesServerOptions,
  request: HttpRequest,
): Promise<HttpResponse> {
  const body = await readJson(request, imageRequestLimitBytes);
  if (!body.ok) return body.refusal;
  const parsed = resolveImageRequestSchema.safeParse(body.value);
  if (!parsed.success)
    return refusal("BadRequest", `Cannot read the request: ${parsed.error.issues[0]?.message ?? "wrong shape"}`);
  const { namespace, image } = parsed.data;
  const timer = metrics.resolveSeconds.startTimer({ source: "image" });
  const answer = await images.lookUp(parsed.data);
  timer({ result: answer.outcome === "failed" ? answer.code : "ok" });
  if (answer.outcome === "failed") log.info("Image not resolved", { namespace, image, ...answer });
  return jsonResponse(200, answer);
}

async function collect(options: PackagesServerOptions, request: HttpRequest): Promise<HttpResponse> {
  const body = await readJson(request, referencesLimitBytes);
  if (!body.ok) return body.refusal;
  const parsed = referencesSchema.safeParse(body.value);
  if (!parsed.success)
    return refusal("BadRequest", 'Cannot read the references: want {"references":{namespace:[digest,…]}}');
  const report = await options.store.collect(toSets(parsed.data), options.collectGraceMs, options.nowMs());
  options.metrics.collected.inc(report.removed);
  if (report.removed > 0) options.log.info("Unused packages removed", { ...report });
  return jsonResponse(200, report);
}

function toSets({ references }: References): Map<string, ReadonlySet<string>> {
  return new Map(Object.entries(references).map(([namespace, digests]) => [namespace, new Set(digests)]));
}

async function serveObject(
  options: PackagesServerOptions,
  request: HttpRequest,
  digest: string,
): Promise<HttpResponse> {
  const check = await options.verifyToken(request.headers["authorization"]);
  if (!check.ok) return refuseToken(check.reason);
  const facts = (await mayRead(options, check.identity, digest)) ? await options.store.find(digest) : undefined;
  if (facts === undefined) return refuseObject(digest, check.identity);
  const served = await serveContent(options.store, request, facts);
  if (served === undefined) return refuseObject(digest, check.identity);
  options.metrics.servedBytes.inc(served.bytes);
  return served.response;
}

async function mayRead(
  { store, operator }: PackagesServerOptions,
  identity: TokenIdentity,
  digest: string,
): Promise<boolean> {
  const isOperator = identity.namespace === operator.namespace && identity.serviceAccount === operator.serviceAccount;
  return isOperator || (await store.mayRead(digest, identity.namespace));
}

/** The same whether it is not there or not theirs: what another namespace has is nobody's business. */
function refuseObject(digest: string, { namespace }: TokenIdentity): HttpResponse {
  const code: PackageErrorCode = "PackageNotFound";
  return jsonResponse(404, {
    code,
    message: `Cannot read package "${digest}": namespace "${namespace}" has no such package`,
  });
}

type JsonBody = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly refusal: HttpResponse };

async function readJson(request: HttpRequest, limitBytes: number): Promise<JsonBody> {
  try {
    return { ok: true, value: JSON.parse((await readBody(request.body, limitBytes)).toString("utf8")) as unknown };
  } catch (error) {
    if (error instanceof BodyTooLargeError) return { ok: false, refusal: refusal("BodyTooLarge", error.message) };
    if (error instanceof SyntaxError)
      return { ok: false, refusal: refusal("BadRequest", "Cannot read the body: not JSON") };
    throw error;
  }
}

/** Packages that pods send: for their own namespace, computed and checked here. */
import { uploadDigestHeader, uploadLimitBytes } from "../../crds/wire/packages.ts";
import { jsonResponse, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import { hexOfDigest } from "./digest.ts";
import type { PackagesMetrics } from "./metrics.ts";
import { refusal, refuseToken } from "./refusals.ts";
import { answerOf } from "./resolve-answer.ts";
import type { Resolver } from "./resolver.ts";
import type { PackagesLog } from "./server-log.ts";
import type { UploadSlots } from "./upload-slots.ts";

export interface UploadParts {
  readonly verifyToken: TokenVerifier;
  readonly resolver: Resolver;
  readonly metrics: PackagesMetrics;
  readonly log: PackagesLog;
}

/** A namespace that sends more at once is asked to come back. */
export const uploadsOfNamespace = 4;

/** From any pod of a namespace, for that namespace alone: what it may run it may also keep. */
export async function takeUpload(
  { verifyToken, resolver, metrics, log }: UploadParts,
  slots: UploadSlots,
  request: HttpRequest,
): Promise<HttpResponse> {
  const check = await verifyToken(request.headers["authorization"]);
  if (!check.ok) return refuseToken(check.reason);
  const { namespace } = check.identity;
  const digest = request.headers[uploadDigestHeader] ?? "";
  if (hexOfDigest(digest) === undefined)
    return refusal("BadRequest", `Cannot take the package: ${uploadDigestHeader} is not sha256:<64 hex digits>`);
  if (Number(request.headers["content-length"] ?? 0) > uploadLimitBytes)
    return refusal("BodyTooLarge", `Cannot take the package: longer than ${uploadLimitBytes} bytes`);
  const step = async (): Promise<HttpResponse> => {
    const timer = metrics.resolveSeconds.startTimer({ source: "upload" });
    const answer = await answerOf(resolver.take(namespace, digest, request.body), log);
    timer({ result: answer.ok ? "ok" : answer.error.code });
    if (!answer.ok) log.info("Package not taken", { namespace, ...answer.error });
    return jsonResponse(200, answer);
  };
  const message = `Cannot take the package: namespace "${namespace}" is sending ${uploadsOfNamespace} already`;
  return (await slots.run(namespace, step)) ?? refusal("TooManyUploads", message, { "retry-after": "1" });
}

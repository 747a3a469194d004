/** The operator's inner API: load reports from routers. */
import { loadReportSchema, type LoadReport, type LoadReportAnswer } from "../../crds/wire/load-report.ts";
import { routes } from "../../crds/wire/routes.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import { BodyTooLargeError, readBody } from "../../lib/http/read-body.ts";
import type { TokenIdentity, TokenVerifier } from "../../lib/http/service-account-token.ts";

export interface InternalServerOptions {
  /** Of the audience `operator`. */
  readonly verifyRouterToken: TokenVerifier;
  /** The one service account that may report. */
  readonly router: { readonly namespace: string; readonly serviceAccount: string };
  /** Undefined: this operator does not lead, or has not looked around yet. */
  readonly takeReport: (report: LoadReport) => LoadReportAnswer | undefined;
}

/** 20,000 functions with some idle environments each. */
const reportLimitBytes = 32 * 1024 * 1024;

export function createInternalHandler(options: InternalServerOptions): HttpHandler {
  return async (request) => {
    if (request.path !== routes.load)
      return refusal(404, "NotFound", `Cannot serve "${request.path.slice(0, 200)}": no such path`);
    if (request.method !== "POST")
      return refusal(405, "MethodNotAllowed", `Cannot ${request.method} "${routes.load}": only POST`);
    const check = await options.verifyRouterToken(request.headers["authorization"]);
    if (!check.ok) return refusal(401, "Unauthorized", `Cannot tell who asks: ${check.reason}`);
    if (!isRouter(check.identity, options)) {
      const { namespace, serviceAccount } = check.identity;
      return refusal(
        403,
        "Forbidden",
        `Cannot take a report from "${namespace}/${serviceAccount}": only routers report`,
      );
    }
    return await takeReport(options, request, check.identity);
  };
}

async function takeReport(
  options: InternalServerOptions,
  request: HttpRequest,
  identity: TokenIdentity,
): Promise<HttpResponse> {
  const body = await readReport(request);
  if (!body.ok) return body.refusal;
  if (identity.podUid !== undefined && identity.podUid !== body.report.replica) {
    return refusal(
      403,
      "Forbidden",
      `Cannot take a report of replica "${body.report.replica.slice(0, 64)}": the token is another pod's`,
    );
  }
  const answer = options.takeReport(body.report);
  return answer === undefined
    ? elsewhere(refusal(503, "NotLeading", "Cannot take a report: this operator does not lead"))
    : jsonResponse(200, answer);
}

function isRouter({ namespace, serviceAccount }: TokenIdentity, { router }: InternalServerOptions): boolean {
  return namespace === router.namespace && serviceAccount === router.serviceAccount;
}

type ReadReport =
  { readonly ok: true; readonly report: LoadReport } | { readonly ok: false; readonly refusal: HttpResponse };

async function readReport({ body }: HttpRequest): Promise<ReadReport> {
  try {
    const parsed = loadReportSchema.safeParse(JSON.parse((await readBody(body, reportLimitBytes)).toString("utf8")));
    if (parsed.success) return { ok: true, report: parsed.data };
    const issue = parsed.error.issues[0];
    const message = `Cannot read the report: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "wrong shape"}`;
    return { ok: false, refusal: refusal(400, "BadRequest", message) };
  } catch (error) {
    if (error instanceof BodyTooLargeError) return { ok: false, refusal: refusal(413, "BodyTooLarge", error.message) };
    if (error instanceof SyntaxError)
      return { ok: false, refusal: refusal(400, "BadRequest", "Cannot read the report: not JSON") };
    throw error;
  }
}

/** A connection to a former leader would be kept for ever: the next one finds the leader. */
function elsewhere(response: HttpResponse): HttpResponse {
  return { ...response, headers: { ...response.headers, connection: "close" } };
}

function refusal(status: number, code: string, message: string): HttpResponse {
  return jsonResponse(status, { code, message });
}

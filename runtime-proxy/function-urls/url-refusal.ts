import { jsonResponse, type HttpResponse } from "../../lib/http/handler.ts";
import { errorResponse, InvokeError } from "../invoke-api/errors.ts";

/** Everybody may call a URL: what is wrong inside is told in the function's status, not to its callers. */
const failure = "Internal Server Error";
/** Source: Lambda's answer to a call that is not allowed. */
const forbidden =
  "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

export function notAllowed(): InvokeError {
  return new InvokeError("AccessDeniedException", forbidden);
}

/** What a caller of a function URL is told in place of an answer. */
export function urlRefusal(error: InvokeError, requestId: string): HttpResponse {
  const headers = { "x-amzn-errortype": error.code as string, "x-amzn-requestid": requestId };
  switch (error.code) {
    case "ResourceNotFoundException":
      // Whether there is such a function is not told either.
      return jsonResponse(403, { Message: null }, { ...headers, "x-amzn-errortype": "AccessDeniedException" });
    case "AccessDeniedException":
    case "MissingAuthenticationTokenException":
    case "IncompleteSignatureException":
    case "InvalidSignatureException":
    case "UnrecognizedClientException":
    case "ExpiredTokenException":
      return jsonResponse(403, { Message: forbidden }, { ...headers, "x-amzn-errortype": "AccessDeniedException" });
    case "RequestTimeoutException":
      return jsonResponse(408, { Message: error.message }, headers);
    case "RequestTooLargeException":
      return jsonResponse(413, { Message: "Request Entity Too Large" }, headers);
    case "ResourceConflictException":
    case "ResourceNotReadyException":
      return jsonResponse(503, { Message: "Service Unavailable" }, headers);
    case "TooManyRequestsException":
    case "RecursiveInvocationException":
      return errorResponse(error, requestId);
    default:
      return failed(error.code === "ServiceException" ? 500 : 502, requestId);
  }
}

/** The function failed, ran out of time, or its answer cannot be sent on. */
export function functionFailed(requestId: string): HttpResponse {
  return failed(502, requestId);
}

function failed(status: number, requestId: string): HttpResponse {
  return { status, headers: { "content-type": "text/plain", "x-amzn-requestid": requestId }, body: failure };
}

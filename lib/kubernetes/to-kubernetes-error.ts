import { errors } from "undici";
import { KubernetesError, type KubernetesErrorCode } from "./kubernetes-error.ts";

/** The parts of a `metav1.Status` that say what went wrong. */
export interface FailureStatus {
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly reason?: string; readonly message?: string }[];
  };
}

// Source: k8s.io/apimachinery, pkg/apis/meta/v1/types.go, StatusReason.
const codeByReason: Readonly<Record<string, KubernetesErrorCode>> = {
  BadRequest: "BadRequest",
  Unauthorized: "Unauthorized",
  Forbidden: "Forbidden",
  NotFound: "NotFound",
  AlreadyExists: "AlreadyExists",
  Conflict: "Conflict",
  Gone: "Gone",
  Expired: "Gone",
  Invalid: "Invalid",
  RequestEntityTooLarge: "TooLarge",
  TooManyRequests: "TooManyRequests",
  Timeout: "Timeout",
  ServerTimeout: "Timeout",
  ServiceUnavailable: "Unavailable",
  MethodNotAllowed: "BadRequest",
  NotAcceptable: "BadRequest",
  UnsupportedMediaType: "BadRequest",
  InternalError: "Internal",
  StoreReadError: "Internal",
};

const codeByStatus: Readonly<Record<number, KubernetesErrorCode>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "BadRequest",
  406: "BadRequest",
  409: "Conflict",
  410: "Gone",
  413: "TooLarge",
  415: "BadRequest",
  422: "Invalid",
  429: "TooManyRequests",
  500: "Internal",
  502: "Unavailable",
  503: "Unavailable",
  504: "Timeout",
};

/** Translates an answer of the API server that is a failure, by its reason and status. */
export function failureToKubernetesError(action: string, failure: FailureStatus): KubernetesError {
  const { code: status, reason, message, details } = failure;
  // A version that this server has not reached yet, or never will (etcd was restored): only a new list helps.
  const isUnknownVersion = details?.causes?.some((cause) => cause.reason === "ResourceVersionTooLarge") === true;
  const code =
    codeByReason[reason ?? ""] ?? codeByStatus[status ?? 0] ?? ((status ?? 500) >= 500 ? "Internal" : "BadRequest");
  return new KubernetesError({
    code: isUnknownVersion ? "Gone" : code,
    action,
    status,
    serverMessage: message ?? `the server answered ${status ?? "nothing"} without a message`,
    retryAfterMs: details?.retryAfterSeconds === undefined ? undefined : details.retryAfterSeconds * 1000,
  });
}

/** Translates whatever a request threw, by its class and code: a KubernetesError stays, a broken connection is `Unavailable`. */
export function toKubernetesError(action: string, error: unknown): KubernetesError {
  if (error instanceof KubernetesError) return error;
  const isTimeout =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError ||
    (error instanceof DOMException && error.name === "TimeoutError");
  if (isTimeout) {
    return new KubernetesError({ code: "Timeout", action, serverMessage: "no answer in time", cause: error });
  }
  if (error instanceof SyntaxError) {
    return new KubernetesError({ code: "Internal", action, serverMessage: "the answer is not JSON", cause: error });
  }
  const errno = errnoOf(error);
  if (errno !== undefined || error instanceof errors.UndiciError) {
    const serverMessage = `the connection failed (${errno ?? "closed"})`;
    return new KubernetesError({ code: "Unavailable", action, serverMessage, cause: error });
  }
  return new KubernetesError({ code: "Internal", action, serverMessage: "the request failed", cause: error });
}

function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

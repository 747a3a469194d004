/** What can go wrong with a request to the API server; the list is closed. */
export const kubernetesErrorCodes = [
  "BadRequest",
  "Unauthorized",
  "Forbidden",
  "NotFound",
  "AlreadyExists",
  /** The object has changed, or a precondition does not hold: read it again. */
  "Conflict",
  /** The resource version or the continue token is too old (or not known): list again. */
  "Gone",
  /** A rule of the kind or an admission check is broken; only another object helps. */
  "Invalid",
  "TooLarge",
  "TooManyRequests",
  "Timeout",
  /** The server cannot be reached, or says that it cannot answer now. */
  "Unavailable",
  "Internal",
] as const;

export type KubernetesErrorCode = (typeof kubernetesErrorCodes)[number];

export interface KubernetesErrorDetail {
  readonly code: KubernetesErrorCode;
  /** What was tried, e.g. `get pods "a/b"`. */
  readonly action: string;
  /** The server's own message, or what is known of a broken connection. */
  readonly serverMessage: string;
  readonly status?: number | undefined;
  /** How long the server asks us to wait. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** A request to the API server that did not succeed; `code` says why, `serverMessage` is what the server said. */
export class KubernetesError extends Error {
  override readonly name = "KubernetesError";
  readonly code: KubernetesErrorCode;
  readonly action: string;
  readonly serverMessage: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(detail: KubernetesErrorDetail) {
    super(`Cannot ${detail.action}: ${detail.serverMessage}`, { cause: detail.cause });
    this.code = detail.code;
    this.action = detail.action;
    this.serverMessage = detail.serverMessage;
    this.status = detail.status;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** True for a KubernetesError with one of these codes. */
export function isKubernetesError(error: unknown, ...codes: readonly KubernetesErrorCode[]): error is KubernetesError {
  return error instanceof KubernetesError && (codes.length === 0 || codes.includes(error.code));
}

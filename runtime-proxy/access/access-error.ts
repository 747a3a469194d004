import type { CredentialRefusal, CredentialRefusalCode } from "../domain/credential-refusal.ts";

/**
 * Code → HTTP status of everything that keeps a caller out. Source: Lambda API reference, CommonErrors. ServiceException is Lambda's word for a service
 * that cannot answer now: SDKs try it again.
 */
export const accessErrorStatus = {
  MissingAuthenticationTokenException: 403,
  IncompleteSignatureException: 403,
  InvalidSignatureException: 403,
  UnrecognizedClientException: 403,
  ExpiredTokenException: 403,
  AccessDeniedException: 403,
  TooManyRequestsException: 429,
  ServiceException: 500,
} as const satisfies Record<CredentialRefusalCode, number> & Record<string, number>;

export type AccessErrorCode = keyof typeof accessErrorStatus;

/** The caller is not let in. */
export class AccessError extends Error {
  override readonly name = "AccessError";
  readonly code: AccessErrorCode;

  constructor(code: AccessErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }

  static of({ code, message }: CredentialRefusal): AccessError {
    return new AccessError(code, message);
  }
}

/** Why credentials are not taken, as AWS says it. */
export type CredentialRefusalCode =
  | "MissingAuthenticationTokenException"
  | "IncompleteSignatureException"
  | "InvalidSignatureException"
  | "UnrecognizedClientException"
  | "ExpiredTokenException";

export interface CredentialRefusal {
  readonly code: CredentialRefusalCode;
  readonly message: string;
}

/** `message` of an unknown access key, a foreign session token or bearer token. Sources: aws/chalice#152, iann0036/iamlive#58 (Lambda, 403). */
export const unrecognizedClient: CredentialRefusal = {
  code: "UnrecognizedClientException",
  message: "The security token included in the request is invalid.",
};

/** Source: brefphp/bref#1250 (Lambda, 403). */
export const missingToken: CredentialRefusal = {
  code: "MissingAuthenticationTokenException",
  message: "Missing Authentication Token",
};

/** Source: cloudquery/cq-provider-aws#1171 (Lambda, 403). */
export const expiredToken: CredentialRefusal = {
  code: "ExpiredTokenException",
  message: "The security token included in the request is expired",
};

export function incomplete(message: string): CredentialRefusal {
  return { code: "IncompleteSignatureException", message };
}

export function invalidSignature(message: string): CredentialRefusal {
  return { code: "InvalidSignatureException", message };
}

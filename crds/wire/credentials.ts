/** Credentials of a function, from the router by way of its agent to its SDK: the form that SDKs read. Source: AWS SDKs and tools reference guide, container credential provider. */
export interface FunctionCredentials {
  readonly AccessKeyId: string;
  readonly SecretAccessKey: string;
  readonly Token: string;
  /** RFC 3339. */
  readonly Expiration: string;
}

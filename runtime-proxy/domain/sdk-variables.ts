/** Variables by which an AWS SDK inside a function finds Lambda, and credentials for it. Source: AWS SDKs and tools reference guide, settings reference. */
import type { EnvFallback } from "../../crds/wire/supervisor.ts";

export interface SdkAccess {
  /** `http://host:port` of the Invoke API. */
  readonly lambdaUrl: string;
  /** Where the agent gives credentials, and what it asks for. */
  readonly credentialsUrl: string;
  readonly credentialsToken: string;
}

/** Whoever sets one of these has credentials of another kind, which no router takes: then Lambda is AWS's too. */
const otherCredentials = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
const otherEndpoints = ["AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];

/** Less what the function's own variables decide; the supervisor looks at those of its container. */
export function sdkFallbacks(access: SdkAccess, own: Readonly<Record<string, string>>): readonly EnvFallback[] {
  const fallbacks: readonly EnvFallback[] = [
    { unless: [...otherEndpoints, ...otherCredentials], env: { AWS_ENDPOINT_URL_LAMBDA: access.lambdaUrl } },
    {
      unless: otherCredentials,
      env: {
        AWS_CONTAINER_CREDENTIALS_FULL_URI: access.credentialsUrl,
        AWS_CONTAINER_AUTHORIZATION_TOKEN: access.credentialsToken,
      },
    },
  ];
  return fallbacks.filter(({ unless }) => !unless.some((name) => Object.hasOwn(own, name)));
}

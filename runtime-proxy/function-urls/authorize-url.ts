import type { HttpRequest } from "../../lib/http/handler.ts";
import type { FunctionUrl } from "../domain/function-url.ts";

/** Who calls a function URL, as its function is told in `requestContext`. Source: Lambda developer guide, urls-invocation. */
export interface UrlCaller {
  /** 12 digits, or `anonymous`. */
  readonly accountId: string;
  /** `authorizer.iam`; absent for a caller who has not proved anything. */
  readonly iam?: {
    readonly accessKey: string;
    readonly accountId: string;
    readonly callerId: string;
    readonly cognitoIdentity: null;
    readonly principalOrgId: string | null;
    readonly userArn: string;
    readonly userId: string;
  };
}

/** The caller, or undefined: whoever it is, it may not. */
export type AuthorizeUrl = (url: FunctionUrl, request: HttpRequest) => Promise<UrlCaller | undefined>;

const anonymous: UrlCaller = { accountId: "anonymous" };

/** `NONE` is open to everybody. `AWS_IAM` is closed to everybody while there is nothing that checks signatures. */
export const authorizeUrl: AuthorizeUrl = ({ config }) =>
  Promise.resolve(config.authType === "NONE" ? anonymous : undefined);

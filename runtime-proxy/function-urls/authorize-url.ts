import type { HttpRequest } from "../../lib/http/handler.ts";
import type { Access, AccessControl } from "../access/access-control.ts";
import { AccessError, accessErrorStatus } from "../access/access-error.ts";
import type { FunctionUrl } from "../domain/function-url.ts";
import { accountIdOf } from "../../crds/names.ts";

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

/** Somebody at a function URL. */
export interface UrlVisitor {
  readonly caller: UrlCaller;
  /** Whether the caller may, to be asked once the signature is proven; absent: everybody may. */
  readonly authorize?: () => Promise<void>;
  readonly access?: Access;
}

/** The visitor, or undefined: whoever it is, it may not. */
export type AuthorizeUrl = (url: FunctionUrl, request: HttpRequest) => Promise<UrlVisitor | undefined>;

const anonymous: UrlCaller = { accountId: "anonymous" };

/** `NONE` is open to everybody; `AWS_IAM` to who is known and may create `functions/urlinvocations`. */
export function createAuthorizeUrl(control: AccessControl): AuthorizeUrl {
  return async ({ config, latest }, request) => {
    if (config.authType === "NONE") return { caller: anonymous };
    const access = await control.authenticate(request, { mustBeKnown: true }).catch((error: unknown) => {
      // Lambda says no more than that it is forbidden; what may be tried again is told as that.
      if (error instanceof AccessError && accessErrorStatus[error.code] === 403) return undefined;
      throw error;
    });
    if (access === undefined) return undefined;
    const { namespace, objectName: name, arn } = latest;
    const action = { subresource: "urlinvocations", action: "lambda:InvokeFunctionUrl", namespace, name, arn } as const;
    return {
      caller: toUrlCaller(access),
      access,
      authorize: async () => await control.authorize(access.caller, action),
    };
  };
}

function toUrlCaller({ caller }: Access): UrlCaller {
  if (caller.how === "anonymous") return anonymous;
  const accountId = accountIdOf(caller.namespace ?? "");
  const iam = {
    accessKey: caller.accessKeyId ?? "",
    accountId,
    callerId: caller.uid ?? caller.userName,
    cognitoIdentity: null,
    principalOrgId: null,
    userArn: caller.userName,
    userId: caller.uid ?? caller.userName,
  };
  return { accountId, iam };
}

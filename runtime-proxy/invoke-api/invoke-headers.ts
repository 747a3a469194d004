import type { HttpRequest } from "../../lib/http/handler.ts";
import { constraint, validationMessage } from "../domain/routing.ts";
import { InvokeError } from "./errors.ts";

/** What the headers of an Invoke request say. */
export interface InvokeHeaders {
  readonly invocationType: "RequestResponse" | "DryRun";
  readonly wantsLogTail: boolean;
  /** Base64 of a JSON object, as sent. */
  readonly clientContext?: string;
  /** Passed on to the runtime. */
  readonly tenantId?: string;
}

/** What an operation allows. */
export type InvocationTypes = readonly string[];

const logTypes = ["None", "Tail"];
/** Longest X-Amz-Client-Context, in bytes of base64. Source: Lambda API model, ClientContext. */
const longestClientContext = 3583;

/** Takes the headers apart; throws an InvokeError that names every value the API's model does not allow. */
export function parseInvokeHeaders({ headers }: HttpRequest, invocationTypes: InvocationTypes): InvokeHeaders {
  const invocationType = headers["x-amz-invocation-type"] ?? "RequestResponse";
  const logType = headers["x-amz-log-type"] ?? "None";
  const tenantId = headers["x-amz-tenant-id"];
  const broken = [
    ...(invocationTypes.includes(invocationType)
      ? []
      : [brokenEnum(invocationType, "invocationType", invocationTypes)]),
    ...(logTypes.includes(logType) ? [] : [brokenEnum(logType, "logType", logTypes)]),
    ...(tenantId === undefined ? [] : brokenTenantId(tenantId)),
  ];
  if (broken.length > 0) throw new InvokeError("ValidationException", validationMessage(broken));
  if (invocationType === "Event") {
    const message = "Cannot invoke with InvocationType 'Event': this release serves 'RequestResponse' and 'DryRun'";
    throw new InvokeError("InvalidParameterValueException", message);
  }
  const clientContext = headers["x-amz-client-context"];
  if (clientContext !== undefined) checkClientContext(clientContext);
  return {
    invocationType: invocationType === "DryRun" ? "DryRun" : "RequestResponse",
    wantsLogTail: logType === "Tail",
    ...(clientContext !== undefined && { clientContext }),
    ...(tenantId !== undefined && { tenantId }),
  };
}

function brokenEnum(value: string, member: string, allowed: readonly string[]): string {
  return constraint(value, member, `Member must satisfy enum value set: [${allowed.join(", ")}]`);
}

/** Source: Lambda API model, TenantId. */
const tenantIdPattern = /^[a-zA-Z0-9._:/=+\-@ ]+$/;
const longestTenantId = 256;

function brokenTenantId(tenantId: string): readonly string[] {
  const pattern = "[a-zA-Z0-9\\._:\\/=+\\-@ ]+";
  const rules = [
    ...(tenantIdPattern.test(tenantId) ? [] : [`Member must satisfy regular expression pattern: ${pattern}`]),
    ...(tenantId.length <= longestTenantId ? [] : [`Member must have length less than or equal to ${longestTenantId}`]),
  ];
  return rules.map((rule) => constraint(tenantId.slice(0, 2 * longestTenantId), "tenantId", rule));
}

function checkClientContext(clientContext: string): void {
  if (clientContext.length > longestClientContext) {
    const message = `Client context must be at most ${longestClientContext} bytes of base64: it has ${clientContext.length}`;
    throw new InvokeError("InvalidRequestContentException", message);
  }
  if (!isJsonObject(clientContext)) {
    throw new InvokeError(
      "InvalidRequestContentException",
      "Client context must be a valid Base64-encoded JSON object.",
    );
  }
}

function isJsonObject(base64: string): boolean {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(base64)) return false;
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, "base64").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

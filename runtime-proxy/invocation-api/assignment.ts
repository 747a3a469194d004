import type { Assigned, Assignment, AssignmentRefusal } from "../../crds/wire/assignment.ts";
import type { EnvironmentDocument } from "../../crds/wire/environment.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "../runtime-api/exchange.ts";
import { readPayload } from "../runtime-api/read-payload.ts";

export interface AssignmentParts {
  /** Whether the bearer of this `authorization` header is an operator that means this environment. */
  readonly isAllowed: (authorization: string | undefined) => boolean;
  /** Whose it is by now. */
  readonly assigned: () => Assigned;
  readonly assign: (assignment: Assignment) => AssignmentRefusal | undefined;
}

/** A document has 4 KiB of variables, the names of five layers, and little else. */
const longestBytes = 256 * 1024;
const refusalStatus = {
  Unauthorized: 401,
  Taken: 409,
  Stale: 409,
  Draining: 503,
  BadRequest: 400,
} as const satisfies Record<AssignmentRefusal["code"], number>;

/** What the operator may ask of a generic pod's agent: whose it is, and to be this function's. */
export async function serveAssignment(parts: AssignmentParts, request: AgentRequest): Promise<AgentResponse> {
  if (!parts.isAllowed(headerOf(request, "authorization"))) {
    const message = "Cannot assign the environment: the bearer is no operator that means this environment";
    return { ...refuse({ code: "Unauthorized", message }), close: true };
  }
  if (request.method === "GET") return json(200, parts.assigned());
  if (request.method !== "POST") return { status: 405 };
  const read = await readPayload(request, longestBytes);
  if (read.kind !== "whole") return badRequest(`the assignment ended early or has more than ${longestBytes} bytes`);
  const assignment = parseAssignment(Buffer.concat(read.payload.chunks).toString("utf8"));
  if (assignment === undefined) return badRequest("the body is no assignment");
  const refusal = parts.assign(assignment);
  return refusal === undefined ? json(200, parts.assigned()) : refuse(refusal);
}

/** The operator has checked it by its schema, which the agent does not carry. */
function parseAssignment(text: string): Assignment | undefined {
  let value: { readonly document?: Partial<EnvironmentDocument> | null; readonly epoch?: unknown } | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return undefined;
  }
  const { document, epoch } = value ?? {};
  const names = ["functionUid", "revisionID", "functionArn", "functionName", "version"] as const;
  const isNamed = names.every((name) => typeof document?.[name] === "string" && document[name] !== "");
  const isWhole = isNamed && Array.isArray(document?.layers) && typeof document.variables === "object";
  if (!isWhole || typeof epoch !== "number" || !Number.isSafeInteger(epoch) || epoch < 0) return undefined;
  return { document: document as EnvironmentDocument, epoch };
}

function badRequest(why: string): AgentResponse {
  return refuse({ code: "BadRequest", message: `Cannot assign the environment: ${why}` });
}

function refuse(refusal: AssignmentRefusal): AgentResponse {
  return json(refusalStatus[refusal.code], refusal);
}

function json(status: number, value: object): AgentResponse {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

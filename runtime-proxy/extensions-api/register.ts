import type { LifecyclePort } from "../lifecycle-port.ts";
import { errorAnswer, jsonAnswer, refusalAnswer } from "../runtime-api/answers.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "../runtime-api/exchange.ts";
import { readPayload } from "../runtime-api/read-payload.ts";
import { parseRegistration } from "../domain/registration.ts";

/** What a registered extension is told of its function. */
export interface FunctionIdentity {
  readonly functionName: string;
  readonly functionVersion: string;
  readonly handler: string;
  readonly accountId: string;
}

const maxBodyBytes = 1024 * 1024;
/** Of a file name; an internal extension's stands in log lines too. */
const maxNameLength = 255;
const emptyName = errorAnswer(403, "Extension.InvalidExtensionName", "Empty extension name");
const longName = errorAnswer(
  403,
  "Extension.InvalidExtensionName",
  `Extension name has more than ${maxNameLength} bytes`,
);
const invalidFormat = (message: string): AgentResponse => errorAnswer(403, "InvalidRequestFormat", message);

/** POST /extension/register: name, then body, then events, then state. Source: emulator rapi/handler/agentregister.go. */
export async function register(
  lifecycle: LifecyclePort,
  request: AgentRequest,
  { identity, newId }: { readonly identity: FunctionIdentity; readonly newId: () => string },
): Promise<AgentResponse> {
  const name = headerOf(request, "lambda-extension-name");
  if (name === undefined || name.length > maxNameLength) {
    request.body.resume();
    return name === undefined ? emptyName : longName;
  }
  const read = await readPayload(request, maxBodyBytes);
  if (read.kind !== "whole")
    return { ...invalidFormat(`The body has more than ${maxBodyBytes} bytes or is cut off`), close: true };
  const parsed = parseRegistration(Buffer.concat(read.payload.chunks, read.payload.bytes).toString());
  if (!parsed.ok) return errorAnswer(403, parsed.code, parsed.message);
  const id = newId();
  const verdict = lifecycle.tell({ type: "register", name, events: parsed.events, id });
  return verdict.ok ? registered(id, identity, wantsAccount(request)) : refusalAnswer(verdict.refusal);
}

function registered(id: string, identity: FunctionIdentity, withAccount: boolean): AgentResponse {
  const { accountId, ...rest } = identity;
  const body = withAccount ? { ...rest, accountId } : rest;
  return jsonAnswer(200, body, { "Lambda-Extension-Identifier": id });
}

function wantsAccount(request: AgentRequest): boolean {
  const features = headerOf(request, "lambda-extension-accept-feature") ?? "";
  return features.split(",").some((feature) => feature.trim() === "accountId");
}

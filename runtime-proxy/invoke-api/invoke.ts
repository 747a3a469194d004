import { LATEST } from "../../crds/names.ts";
import { invocationAnswerHeaders } from "../../crds/wire/environment.ts";
import type { HttpRequest, HttpResponse } from "../../lib/http/handler.ts";
import type { AdmittedInvocation, AgentAnswer, InvocationRunner } from "./run-invocation.ts";
import type { Served, ServeCallParts } from "./serve-call.ts";
import { createServeCall } from "./serve-operation.ts";

export interface InvokeParts extends ServeCallParts {
  readonly runner: Pick<InvocationRunner, "run">;
}

/** `POST /2015-03-31/functions/{FunctionName}/invocations`, synchronous and dry run. */
export function createInvoke(parts: InvokeParts): (encodedName: string, request: HttpRequest) => Promise<HttpResponse> {
  return createServeCall(parts, {
    operation: "Invoke",
    invocationTypes: ["Event", "RequestResponse", "DryRun"],
    run: async (call) => toServed(await parts.runner.run(call), call),
  });
}

function toServed({ headers, body }: AgentAnswer, call: AdmittedInvocation): Served {
  const functionError = headers[invocationAnswerHeaders.functionError];
  const logResult = headers[invocationAnswerHeaders.logResult];
  return {
    result: functionError === undefined ? "ok" : "function_error",
    response: {
      status: 200,
      headers: {
        "content-type": "application/json",
        ...answerHeaders(headers, call),
        ...(functionError !== undefined && { "x-amz-function-error": functionError }),
        ...(logResult !== undefined && { "x-amz-log-result": logResult }),
      },
      body,
    },
  };
}

/** What an answer says of its call, whatever its form. */
export function answerHeaders(
  headers: AgentAnswer["headers"],
  { requestId, traceId }: AdmittedInvocation,
): Record<string, string> {
  return {
    "x-amzn-requestid": requestId,
    "x-amzn-trace-id": traceId,
    "x-amz-executed-version": headers[invocationAnswerHeaders.executedVersion] ?? LATEST,
  };
}

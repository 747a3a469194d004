import type { LifecyclePort } from "../lifecycle-port.ts";
import { accepted, errorAnswer, refusalAnswer } from "../runtime-api/answers.ts";
import { headerOf, type AgentRequest, type AgentResponse } from "../runtime-api/exchange.ts";
import { identifierOf } from "./identify.ts";

const typeHeader = "Lambda-Extension-Function-Error-Type";
const missingType = errorAnswer(403, "Extension.MissingHeader", `${typeHeader} not found`);

/** POST /extension/init/error: only recorded; that the extension ends is what fails the init. */
export const postInitError = reporter("extensionInitError");
/** POST /extension/exit/error: the same for what comes later. */
export const postExitError = reporter("extensionExitError");

function reporter(type: "extensionInitError" | "extensionExitError") {
  return (lifecycle: LifecyclePort, request: AgentRequest): Promise<AgentResponse> => {
    request.body.resume();
    const identified = identifierOf(request);
    if (!identified.ok) return Promise.resolve(identified.answer);
    if (headerOf(request, typeHeader.toLowerCase()) === undefined) return Promise.resolve(missingType);
    const verdict = lifecycle.tell({ type, id: identified.id });
    return Promise.resolve(verdict.ok ? accepted : refusalAnswer(verdict.refusal));
  };
}

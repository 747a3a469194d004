import type { LifecyclePort } from "../lifecycle-port.ts";
import { refusalAnswer } from "../runtime-api/answers.ts";
import type { AgentRequest, AgentResponse } from "../runtime-api/exchange.ts";
import { identifierOf } from "./identify.ts";

/** GET /extension/event/next: blocks, for hours if need be, until there is an event. */
export async function next(lifecycle: LifecyclePort, request: AgentRequest): Promise<AgentResponse> {
  const identified = identifierOf(request);
  if (!identified.ok) return identified.answer;
  const polled = await lifecycle.pollExtension(identified.id, (call) => request.whenGone(call));
  if (!polled.ok) return refusalAnswer(polled.refusal);
  return { status: 200, headers: polled.event.headers, body: polled.event.payload };
}

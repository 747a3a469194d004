import type { LifecyclePort } from "../lifecycle-port.ts";
import { refusalAnswer } from "./answers.ts";
import type { AgentRequest, AgentResponse } from "./exchange.ts";

/** GET /runtime/invocation/next: blocks, for hours if need be, until there is an event. */
export async function next(lifecycle: LifecyclePort, request: AgentRequest): Promise<AgentResponse> {
  const polled = await lifecycle.pollRuntime((call) => request.whenGone(call));
  if (!polled.ok) return refusalAnswer(polled.refusal);
  return { status: 200, headers: polled.event.headers, body: polled.event.payload };
}

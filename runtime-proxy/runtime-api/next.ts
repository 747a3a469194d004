import { refusalAnswer } from "./answers.ts";
import type { AgentRequest, AgentResponse } from "./exchange.ts";
import type { RuntimeSession } from "./runtime-session.ts";

/** GET /runtime/invocation/next: blocks, for hours if need be, until there is an event. */
export async function next(session: RuntimeSession, request: AgentRequest): Promise<AgentResponse> {
  const event = await session.poll(request.signal);
  if ("code" in event) return refusalAnswer(event);
  return { status: 200, headers: event.headers, body: event.payload };
}

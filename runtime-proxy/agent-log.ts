/** The agent's own log: one JSON object a line on standard error, never a payload. */
export type AgentLog = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields?: Readonly<Record<string, string | number | undefined>>,
) => void;

/** Lines below `info` are left out. `requestId` tells the running invocation, if there is one. */
export function createAgentLog(
  write: (line: string) => void,
  nowMs: () => number,
  requestId: () => string | undefined,
): AgentLog {
  return (level, message, fields) => {
    if (level === "debug") return;
    const time = new Date(nowMs()).toISOString();
    write(`${JSON.stringify({ time, level, message, process: "agent", requestId: requestId(), ...fields })}\n`);
  };
}

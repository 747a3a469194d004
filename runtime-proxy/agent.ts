/** Process `agent`: one in every pod, between the router and the runtime of one execution environment. */
import { randomBytes, randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import { systemClock } from "../lib/clock.ts";
import { giveMemoryBack } from "../lib/idle-memory.ts";
import { parseAgentConfig, type AgentConfig } from "./agent-config.ts";
import { AgentProcess, type AgentDeps } from "./agent-process.ts";

export interface RunningAgent {
  /** `host:port` for routers. */
  readonly address: string;
  /** `host:port` for the runtime. */
  readonly runtimeApi: string;
  /** Resolves with the exit status when there is nothing left to serve: 0 after `stop`, 1 when the container was lost. */
  readonly ended: Promise<number>;
  /** Refuses new invocations, lets the running one end, then ends the container's processes. */
  stop(): Promise<void>;
}

/** The machine's clock, chance, names and standard error. */
export const systemAgentDeps: AgentDeps = {
  clock: systemClock,
  writeLog: (line) => void process.stderr.write(line),
  draw: Math.random,
  randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  newId: randomUUID,
  resolveHost: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  giveMemoryBack,
};

/** Runs an agent until it is told to stop, by SIGTERM or SIGINT, or its container is lost; then ends this process. */
export async function agentMain(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const agent = await startAgent(parseAgentConfig(env), systemAgentDeps);
  const stop = (): void => void agent.stop();
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.exit(await agent.ended);
}

/** Resolves once both ports and the supervisor's socket are open; extensions and runtime start when their supervisors have connected. */
export async function startAgent(config: AgentConfig, deps: AgentDeps): Promise<RunningAgent> {
  const agent = new AgentProcess(config, deps);
  await agent.listen();
  return agent;
}

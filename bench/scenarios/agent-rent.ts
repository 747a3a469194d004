import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSupervisor } from "../../test/kit/build-supervisor.ts";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import { cpuMs, privateBytes } from "../process-usage.ts";
import { shuffled } from "../seeded-random.ts";
import { bundleAgent } from "../systems/agent-bundle.ts";
import { startAgentProcess, untilOpened, untilThere, type EnvironmentParts } from "../systems/environment.ts";
import { prepareNodeRuntime } from "../systems/node-runtime.ts";
import { OperatorEar } from "../systems/operator-ear.ts";
import type { RouterOrder, RouterThere } from "../systems/router-order.ts";

/** Starts one process that will listen at `socket`. */
type Start = (podUid: string) => Promise<{ readonly process: BenchProcess; readonly socket: string }>;

interface Idle {
  readonly name: string;
  readonly process: BenchProcess;
  readonly supervisor?: BenchProcess;
  readonly startMs: number;
  readonly startCpuMs: number;
}

const file = (name: string): string => fileURLToPath(new URL(`../systems/${name}`, import.meta.url));
const mebibyte = 1024 * 1024;
/** From the last process's start to the reading: what the start left behind is given back or will stay. */
const idleMs = 4000;
const agent = "agent";

/** What every execution environment pays for its agent. */
export const agentRent: Scenario = {
  summary: "unshared memory of the idle agent, and its start until it listens, against a bare Node process",
  async run(context) {
    const ear = new OperatorEar();
    const order: RouterOrder = { environments: context.rounds, operatorUrl: await ear.listen() };
    const router = await context.processes.start(
      { argv: [process.execPath, file("router-process.ts"), JSON.stringify(order)] },
      true,
    );
    try {
      const there = await router.ready<RouterThere>();
      const supervisor = await buildSupervisor();
      const parts: EnvironmentParts = {
        ...there,
        processes: context.processes,
        agentBundle: await bundleAgent(context.folder),
        supervisor,
        runtimeFolder: await prepareNodeRuntime(context),
        folder: context.folder,
        routerUrl: `http://127.0.0.1:${there.internalPort}`,
      };
      context.progress(`Agent's rent: ${context.rounds} rounds …`);
      const rounds: Record<string, Reading>[] = [];
      for (const podUid of there.podUids) rounds.push(await measureRound(context, parts, podUid, ear));
      return [
        {
          title: "idle agent of a ready environment",
          subject: agent,
          baselines: ["bare Node", "bare Node with node:http"],
          metrics: ["unshared MiB", "start ms", "start CPU ms"],
          rounds,
          notes: ["start: from spawn until the last socket is open, one process at a time, its file in the page cache"],
        },
      ];
    } finally {
      await router.end();
      await ear.close();
    }
  },
};

async function measureRound(
  context: BenchContext,
  parts: EnvironmentParts,
  podUid: string,
  ear: OperatorEar,
): Promise<Record<string, Reading>> {
  const idle: Idle[] = [];
  try {
    for (const [name, start] of shuffled(starts(parts), context.draw)) {
      const startedMs = performance.now();
      const { process, socket } = await start(podUid);
      await (name === agent ? untilOpened(socket) : untilThere(socket));
      const started = { name, process, startMs: performance.now() - startedMs, startCpuMs: cpuMs([process.pid]) };
      idle.push(name === agent ? { ...started, supervisor: await supervise(parts, socket) } : started);
      if (name === agent) await ear.untilIdle(1);
    }
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    return Object.fromEntries(idle.map((one) => [one.name, reading(one)]));
  } finally {
    await Promise.all(idle.map((one) => one.process.end()));
    for (const one of idle) await one.supervisor?.end();
  }
}

function starts(parts: EnvironmentParts): [string, Start][] {
  const bare = (name: string): Start => {
    return async (podUid) => {
      const socket = join(parts.folder, `${podUid}-${name}.socket`);
      return { socket, process: await parts.processes.start({ argv: [process.execPath, file(name), socket] }) };
    };
  };
  return [
    [
      agent,
      async (podUid) => {
        const { agent: started, socket } = await startAgentProcess(parts, podUid);
        return { process: started, socket };
      },
    ],
    ["bare Node", bare("bare-idle.cjs")],
    ["bare Node with node:http", bare("bare-idle-http.cjs")],
  ];
}

async function supervise(parts: EnvironmentParts, socket: string): Promise<BenchProcess> {
  const env = { PATH: process.env["PATH"] ?? "", KUBELAMBDA_SOCKET: socket };
  return await parts.processes.start({ argv: [parts.supervisor], env });
}

function reading({ process, startMs, startCpuMs }: Idle): Reading {
  return { "unshared MiB": privateBytes(process.pid) / mebibyte, "start ms": startMs, "start CPU ms": startCpuMs };
}

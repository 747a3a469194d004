import { join } from "node:path";
import { freePorts } from "../../lib/free-ports.ts";
import { findEmulator } from "../../test/kit/emulator-binary.ts";
import type { BenchContext } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import { descendants } from "../process-usage.ts";
import { prepareNodeRuntime, taskRoot } from "./node-runtime.ts";
import type { System } from "./system.ts";

const firstCallLimitMs = 20_000;
const path = "/2015-03-31/functions/function/invocations";

/** So many emulators: each has one execution environment and runs one call at a time. */
export async function startEmulators(context: BenchContext, count: number): Promise<System> {
  const [binary, runtimeFolder] = await Promise.all([findEmulator(context.progress), prepareNodeRuntime(context)]);
  const ports = await freePorts(2 * count);
  const started: BenchProcess[] = [];
  const origins: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const [port, apiPort] = ports.slice(2 * i);
    const origin = `127.0.0.1:${port}`;
    const addresses = ["--runtime-interface-emulator-address", origin, "--runtime-api-address", `127.0.0.1:${apiPort}`];
    const argv = [binary, ...addresses, join(runtimeFolder, "bootstrap"), "index.handler"];
    const env = { PATH: "/usr/local/bin:/usr/bin:/bin", LAMBDA_TASK_ROOT: taskRoot, AWS_REGION: "us-east-1" };
    started.push(await context.processes.start({ argv, env, cwd: taskRoot }));
    origins.push(`http://${origin}`);
    await callOnce(`http://${origin}`);
  }
  return {
    name: "emulator",
    origins,
    path,
    pidsByRole: () => ({
      emulator: started.map(({ pid }) => pid),
      runtime: started.flatMap(({ pid }) => descendants(pid)),
    }),
    async end() {
      await Promise.all(started.map((emulator) => emulator.end()));
    },
  };
}

/** The emulator starts its runtime at the first call. */
async function callOnce(origin: string): Promise<void> {
  const untilMs = performance.now() + firstCallLimitMs;
  for (;;) {
    try {
      const signal = AbortSignal.timeout(firstCallLimitMs);
      const answer = await fetch(`${origin}${path}`, { method: "POST", body: '{"name":"first"}', signal });
      const text = await answer.text();
      if (answer.status !== 200 || !text.includes("first")) {
        throw new RangeError(`Cannot use the emulator: answered ${answer.status} "${text.slice(0, 500)}"`);
      }
      return;
    } catch (error) {
      if (error instanceof RangeError || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

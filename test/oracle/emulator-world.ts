/** The emulator with a script's files: in a mount namespace of its own, where a folder lies over /opt. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../lib/free-ports.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { findEmulator } from "../kit/emulator-binary.ts";
import { exchange } from "../kit/exchange.ts";
import { facts } from "./facts.ts";
import type { FrontDoorAnswer, World } from "./play.ts";
import type { Invocation, Script } from "./script.ts";
import { Stage } from "./stage.ts";

const path = "/2015-03-31/functions/function/invocations";
const startLimitMs = 10_000;

export async function startEmulatorWorld(script: Script): Promise<World> {
  const stage = await Stage.open();
  const folder = await mkdtemp(join(tmpdir(), "emulator-"));
  const bootstrap = await placeFiles(script, stage, folder);
  const [door, api] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [string, string];
  const emulator = await startEmulator(script, folder, [
    "--runtime-interface-emulator-address",
    door,
    "--runtime-api-address",
    api,
    bootstrap,
    facts.handler,
  ]);
  await waitUntil({ what: "the emulator to listen", timeoutMs: startLimitMs, everyMs: 10 }, async () => {
    return (await exchange(door, "/").catch(() => undefined)) === undefined ? undefined : true;
  });
  return {
    stage,
    rename: (text) => text.replaceAll(api, "<runtime api>").replaceAll(join(folder, "task"), "/var/task"),
    invoke: async (invocation) => await knock(door, invocation),
    async end() {
      const ended = once(emulator, "exit");
      emulator.kill("SIGKILL");
      if (emulator.exitCode === null && emulator.signalCode === null) await ended;
      await stage.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Lays out task and opt; answers with the bootstrap's path. */
async function placeFiles({ extensions = [], bootstrap }: Script, stage: Stage, folder: string): Promise<string> {
  const [task, opt] = [join(folder, "task"), join(folder, "opt")];
  await mkdir(task);
  await mkdir(opt);
  if (extensions.length > 0) await mkdir(join(opt, "extensions"));
  for (const extension of extensions) {
    const { file, text, mode } = typeof extension === "string" ? scripted(extension, stage) : extension;
    await writeFile(join(opt, "extensions", file), text);
    await chmod(join(opt, "extensions", file), mode ?? 0o755);
  }
  const program = join(task, "bootstrap");
  await writeFile(program, bootstrap?.text ?? stage.program("runtime"));
  await chmod(program, bootstrap?.mode ?? 0o755);
  return program;
}

const scripted = (file: string, stage: Stage): { file: string; text: string; mode?: number } => ({
  file,
  text: stage.program(file),
});

/** In a process namespace of its own too, so that all that it started ends with it. */
async function startEmulator(script: Script, folder: string, args: readonly string[]): Promise<ChildProcess> {
  const binary = await findEmulator((line) => process.stderr.write(`${line}\n`));
  const inside = 'mount --bind "$1/opt" /opt && cd "$1/task" && shift && exec "$@"';
  const argv = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside, "sh", folder, binary, ...args];
  const env = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LAMBDA_TASK_ROOT: join(folder, "task"),
    AWS_REGION: facts.region,
    AWS_LAMBDA_FUNCTION_NAME: facts.functionName,
    AWS_LAMBDA_FUNCTION_HANDLER: facts.handler,
    AWS_LAMBDA_FUNCTION_VERSION: facts.version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(facts.memorySize),
    AWS_LAMBDA_FUNCTION_TIMEOUT: String(script.timeoutSeconds ?? facts.timeoutSeconds),
    ...facts.variables,
  };
  const isVerbose = process.env["ORACLE_VERBOSE"] !== undefined;
  const emulator = spawn("unshare", argv, { env, stdio: isVerbose ? ["ignore", 2, 2] : "ignore" });
  await once(emulator, "spawn");
  return emulator;
}

async function knock(door: string, { payload, headers = [] }: Invocation): Promise<FrontDoorAnswer> {
  const answer = await exchange(door, path, { method: "POST", body: payload, headers: Object.fromEntries(headers) });
  return { status: answer.status, body: answer.body.toString() };
}

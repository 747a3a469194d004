/** Our agent and supervisor with a script's files, on loopback. */
import { mkdir, writeFile, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentEnvironment } from "../kit/agent-environment.ts";
import { facts } from "./facts.ts";
import type { FrontDoorAnswer, World } from "./play.ts";
import type { Invocation, Script } from "./script.ts";
import { Stage } from "./stage.ts";

export async function startAgentWorld(script: Script): Promise<World> {
  const stage = await Stage.open();
  const opt = await mkdtemp(join(tmpdir(), "opt-"));
  await placeExtensions(script, stage, opt);
  const { text, mode } = script.bootstrap ?? { text: stage.program("runtime"), mode: 0o755 };
  const { timeoutSeconds = facts.timeoutSeconds } = script;
  const environment = await AgentEnvironment.start({
    isUnwatched: true,
    files: { bootstrap: { bytes: text, mode } },
    document: { ...facts, timeoutSeconds },
    variables: { KUBELAMBDA_LAYERS_ROOT: opt },
  });
  return {
    stage,
    rename: (text) =>
      text
        .replaceAll(environment.agent.runtimeApi, "<runtime api>")
        .replaceAll(opt, "/opt")
        .replaceAll(join(environment.folder, "task"), "/var/task"),
    invoke: async (invocation) => await knock(environment, invocation),
    async end() {
      await environment.stop();
      await stage.close();
      await rm(opt, { recursive: true, force: true });
    },
  };
}

async function placeExtensions({ extensions = [] }: Script, stage: Stage, opt: string): Promise<void> {
  if (extensions.length > 0) await mkdir(join(opt, "extensions"));
  for (const extension of extensions) {
    const { file, text, mode } =
      typeof extension === "string"
        ? { file: extension, text: stage.program(extension), mode: undefined }
        : { mode: undefined, ...extension };
    await writeFile(join(opt, "extensions", file), text);
    await chmod(join(opt, "extensions", file), mode ?? 0o755);
  }
}

/** The router's part: nothing is invoked before the init phase has ended, one way or the other. */
async function knock(environment: AgentEnvironment, { payload, headers = [] }: Invocation): Promise<FrontDoorAnswer> {
  await environment.router.announced(({ init }) => init !== undefined);
  const answer = await environment.invoke(payload, { headers: Object.fromEntries(headers) });
  return { status: answer.status, body: answer.body.toString() };
}

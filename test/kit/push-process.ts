/** `kubelambda push` as a user starts it. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { runPush } from "../../operator/cli/push.ts";

const commandLine = new URL("../../operator/cli/main.ts", import.meta.url).pathname;

export interface PushEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class PushProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<PushEnd>;
  #stdout = "";
  #stderr = "";

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [commandLine, "push", ...args], { env: { ...process.env, ...env } });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.ended = once(this.child, "close").then(([code]) => ({
      code: code as number | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }
}

/** The same in this process, which is sooner there. */
export async function push(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<PushEnd> {
  const end = { code: 0, stdout: "", stderr: "" };
  end.code = await runPush(args, env, {
    result: (text) => void (end.stdout += text),
    note: (text) => void (end.stderr += text),
  });
  return end;
}

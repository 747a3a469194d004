/** One process of a pod: started in a group of its own, so that the end of local mode ends all of it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

export interface ChildOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly onLine: (line: string, stream: "stdout" | "stderr") => void;
}

export class Child {
  readonly #process: ChildProcess;
  /** Resolves once: exit status, or 128 + signal number as shells have it; 127 when it could not be started. */
  readonly ended: Promise<number>;
  #isRunning = true;

  constructor({ argv, env, onLine }: ChildOptions) {
    const [command = "", ...args] = argv;
    this.#process = spawn(command, args, { env: { ...env }, stdio: ["ignore", "pipe", "pipe"], detached: true });
    for (const stream of ["stdout", "stderr"] as const) {
      const readable = this.#process[stream];
      if (readable !== null) createInterface({ input: readable }).on("line", (line) => onLine(line, stream));
    }
    this.ended = new Promise((resolve) => {
      const end = (status: number): void => {
        this.#isRunning = false;
        resolve(status);
      };
      this.#process.once("exit", (code, signal) => end(code ?? (signal === "SIGKILL" ? 137 : 143)));
      this.#process.once("error", (error) => {
        onLine(error.message, "stderr");
        end(127);
      });
    });
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  terminate(): void {
    if (this.#isRunning) this.#process.kill("SIGTERM");
  }

  /** Ends the whole group at once. */
  kill(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // The group is gone already.
    }
  }
}

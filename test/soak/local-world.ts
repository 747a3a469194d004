import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request } from "undici";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { readBody } from "../../lib/http/read-body.ts";
import { LocalProcess } from "../kit/local-process.ts";
import { functionManifest } from "../e2e/space.ts";
import type { CallPlan } from "./call-plan.ts";
import type { Outcome } from "./judge.ts";
import { findByRole, type ProcessRole } from "./local-processes.ts";

const answerWithinMs = 90_000;
const mostBytes = 8 * 1024 * 1024;

/** Local mode on a folder of its own, with all that it puts into the temporary folder in one place. */
export class LocalWorld {
  readonly #outerTemporary = process.env["TMPDIR"];
  readonly #temporary: string;
  readonly #local: LocalProcess;
  readonly #connections = new Agent({ connections: 16 });
  #url = "";

  constructor() {
    this.#temporary = mkdtempSync(join(tmpdir(), "soak-"));
    process.env["TMPDIR"] = this.#temporary;
    this.#local = new LocalProcess();
  }

  async start(): Promise<void> {
    await this.#local.start();
    await this.#local.until(() => this.#findUrl() !== undefined);
    this.#url = this.#findUrl() ?? "";
  }

  /** The table of functions is where local mode says its address. */
  #findUrl(): string | undefined {
    return /(http:\/\/127\.0\.0\.1:\d+)\//.exec(this.#local.output)?.[1];
  }

  writeFunction(name: string, spec: FunctionSpecInput): void {
    this.writeFile(name, JSON.stringify(functionManifest(name, spec), undefined, 2));
  }

  writeFile(name: string, text: string): void {
    this.#local.write(`${name}.yaml`, text);
  }

  removeFunction(name: string): void {
    rmSync(join(this.#local.folder, `${name}.yaml`));
  }

  async invoke({ functionName, event }: CallPlan): Promise<Outcome> {
    const response = await request(`${this.#url}/2015-03-31/functions/${functionName}/invocations`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(event),
      dispatcher: this.#connections,
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const header = (name: string): string | undefined => response.headers[name]?.toString();
    return {
      status: response.statusCode,
      requestId: header("x-amzn-requestid"),
      functionError: header("x-amz-function-error"),
      errorCode: header("x-amzn-errortype"),
      body: (await readBody(response.body, mostBytes)).toString(),
    };
  }

  /** Pids of what local mode has started, by what they are. */
  async processes(): Promise<Readonly<Record<ProcessRole, readonly number[]>>> {
    return await findByRole(await this.#local.descendants());
  }

  /** Memory of the main process, MiB. */
  async residentMiB(): Promise<number> {
    return Math.round((await this.#local.residentBytes()) / 1024 / 1024);
  }

  /** Lines that local mode wrote about itself last, to go with a failure. */
  lastOutput(): string {
    return this.#local.output.slice(-4000);
  }

  /** Ctrl-C; what is left afterwards: processes, and files in the temporary folder. */
  async stop(): Promise<{ status: number | null; processes: readonly string[]; files: readonly string[] }> {
    await this.#connections.destroy();
    const { status, left } = await this.#local.stop();
    const files = readdirSync(this.#temporary);
    rmSync(this.#temporary, { recursive: true, force: true });
    if (this.#outerTemporary === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = this.#outerTemporary;
    return { status, processes: left, files };
  }
}

/** Waits for `isTrue`; whether it became so in time. */
export async function becomesTrue(isTrue: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > endMs) return false;
    await delay(200);
  }
  return true;
}

/** Base64 of bytes that are no zip, never the same twice: the package store remembers what it has refused. */
export function noZip(): string {
  return randomBytes(64).toString("base64");
}

/** Local mode under a steady load while processes are killed and code changes: every call gets its own answer or a documented error. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "mocha";
import { LocalProcess } from "../kit/local-process.ts";

const minutes = Number(process.env["SOAK_MINUTES"] ?? "10");
const connections = 4;
const faultEveryMs = 1500;
const seed = 20_261_124;

function manifest(version: number): string {
  return `apiVersion: kubelambda.dev/v1alpha1
kind: Function
metadata: { name: echo }
spec:
  runtime: nodejs24.x
  handler: index.handler
  timeout: 5
  code:
    files:
      index.mjs: |
        export const handler = async ({ call, wait, fail }) => {
          if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
          if (fail) throw new RangeError("call " + call);
          return { call, version: ${version} };
        };
`;
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function createDraw(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Errors that a caller may see when an environment is killed under its call. */
const documented = new Set(["Runtime.ExitError", "ServiceException", "ResourceNotReadyException"]);

describe(`local mode for ${minutes} min under load and faults`, function () {
  this.timeout((minutes * 60 + 120) * 1000);
  const local = new LocalProcess();
  const draw = createDraw(seed);
  const counts: Record<string, number> = {};
  const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1);
  let version = 1;

  before(async () => {
    local.write("echo.yaml", manifest(version));
    await local.start();
  });
  after(async () => {
    const { status, left } = await local.stop();
    assert.deepEqual({ status, left }, { status: 0, left: [] });
  });

  it("gives each call its own answer or a documented error", async () => {
    const until = Date.now() + minutes * 60_000;
    let lastCall = 0;
    const caller = async (): Promise<void> => {
      while (Date.now() < until) await checkedCall(++lastCall);
    };
    await Promise.all([...Array.from({ length: connections }, caller), faults(until)]);
    process.stdout.write(`${JSON.stringify({ calls: lastCall, ...counts })}\n`);
    assert.ok((counts["right"] ?? 0) > lastCall / 2, JSON.stringify(counts));
    const { status, body } = await local.invoke("echo", { call: -1 });
    assert.deepEqual([status, (JSON.parse(body) as { call: number }).call], [200, -1]);
  });

  async function checkedCall(call: number): Promise<void> {
    const fail = draw() < 0.1;
    const wait = draw() < 0.1 ? Math.floor(draw() * 200) : 0;
    const { status, functionError, body } = await local.invoke("echo", { call, wait, fail });
    const answer = JSON.parse(body) as { call?: number; errorType?: string; errorMessage?: string; Type?: string };
    if (status === 200 && functionError === null) {
      assert.equal(answer.call, call, `call ${call} got another's answer: ${body}`);
      count("right");
      return;
    }
    if (answer.errorType === "RangeError") {
      assert.equal(answer.errorMessage, `call ${call}`);
      count("right");
      return;
    }
    const code = answer.errorType ?? (status >= 500 ? "ServiceException" : `status ${status}`);
    assert.ok(documented.has(code), `call ${call} got an error that is not documented: ${status} ${body}`);
    count(code);
  }

  async function faults(until: number): Promise<void> {
    while (Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, faultEveryMs));
      const kind = draw();
      if (kind < 0.3) {
        local.write("echo.yaml", manifest(++version));
        count("fault: new code");
      } else if (kind < 0.4) {
        local.write(
          "echo.yaml",
          "apiVersion: kubelambda.dev/v1alpha1\nkind: Function\nmetadata: { name: echo }\nspec: { timeout: 0 }\n",
        );
        await new Promise((resolve) => setTimeout(resolve, faultEveryMs / 3));
        local.write("echo.yaml", manifest(++version));
        count("fault: broken manifest");
      } else await killOne(kind < 0.7 ? "aws-lambda-ric" : "agent-process");
    }
  }

  /** SIGKILL to one of the processes that local mode started and whose command line says what it is. */
  async function killOne(what: string): Promise<void> {
    const candidates = [];
    for (const pid of await local.descendants()) {
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      if (command.includes(what)) candidates.push(pid);
    }
    const pid = candidates[Math.floor(draw() * candidates.length)];
    if (pid === undefined) return;
    process.kill(pid, "SIGKILL");
    count(`fault: killed ${what}`);
  }

  it("keeps its own memory below 1 GiB", async () => {
    const residentBytes = await local.residentBytes();
    process.stdout.write(`resident at the end: ${Math.round(residentBytes / 1024 / 1024)} MiB\n`);
    assert.ok(residentBytes < 1024 * 1024 * 1024);
  });
});

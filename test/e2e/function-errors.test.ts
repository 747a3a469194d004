import assert from "node:assert/strict";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { jsonOf, type Answer } from "./invoke.ts";
import { nodeFunction, Space } from "./space.ts";

const pause = "const sleep = (ms) => new Promise((go) => setTimeout(go, ms));";
const boot = { runtime: "provided.al2023", handler: "none" };

/** Every one of these does as it is told by the event, so that its environment can be looked at before and after. */
const obedient = nodeFunction(
  `import { existsSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
${pause}
let calls = 0;
export const handler = async ({ act }) => {
  calls += 1;
  switch (act) {
    case "throw": throw new TypeError("no good");
    case "exit": process.exit(0);
    case "exit 3": process.exit(3);
    case "kill": process.kill(process.pid, "SIGKILL"); await sleep(10_000);
    case "sleep": writeFileSync("/tmp/kept", "x"); await sleep(10_000);
    case "spin": for (;;);
    case "7 MB": return "x".repeat(7_000_000);
    case "eat": { const eaten = []; for (;;) eaten.push(Buffer.alloc(16 * 1024 * 1024, 1)); }
    default: return { calls, kept: existsSync("/tmp/kept"), pid: process.pid };
  }
};`,
  // It can have but one environment: the next call is served by the one that failed.
  { timeout: 1, reservedConcurrentExecutions: 1 },
);

const functions: Record<string, FunctionSpecInput> = {
  obedient,
  single: obedient,
  eater: { ...obedient, timeout: 20 },
  "exits-in-init": nodeFunction("process.exit(5);"),
  "throws-in-init": nodeFunction('throw new RangeError("never loads");'),
  "bad-syntax": nodeFunction("export const handler = async () => {{{;"),
  "no-module": { runtime: "python3.11", handler: "absent.handler", code: { files: { "main.py": "" } } },
  "no-export": nodeFunction("export const other = 1;"),
  "hangs-in-init": nodeFunction(`${pause} await sleep(120_000); export const handler = async () => 1;`, { timeout: 2 }),
  "slow-init": nodeFunction(`${pause} await sleep(11_000); export const handler = async () => "late";`, {
    timeout: 30,
  }),
  "no-bootstrap": { ...boot, code: { files: { "main.sh": "#!/bin/sh\n" } } },
  "closed-bootstrap": {
    ...boot,
    code: { zipFile: zipBytes([{ name: "bootstrap", content: "#!/bin/sh\n" }]).toString("base64") },
  },
};

interface Failure {
  readonly errorType: string;
  readonly errorMessage: string | RegExp;
}

function assertFailed(answer: Answer, { errorType, errorMessage }: Failure): void {
  const shown = answer.bytes.toString().slice(0, 500);
  assert.equal(answer.status, 200, shown);
  assert.equal(answer.headers["x-amz-function-error"], "Unhandled", shown);
  const body = jsonOf(answer);
  const requestId = answer.headers["x-amzn-requestid"] ?? "";
  assert.equal(body["errorType"], errorType, shown);
  if (typeof errorMessage === "string") assert.equal(body["errorMessage"], errorMessage.replace("<id>", requestId));
  else assert.match(String(body["errorMessage"]), errorMessage);
}

describe("functions that fail", () => {
  let space: Space;
  /** These take 10 s and more: they run while the others are tried. */
  let slow: Readonly<Record<"hanging" | "late", Promise<Answer>>>;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-function-errors");
    for (const [name, spec] of Object.entries(functions)) await space.applyFunction(name, spec);
    for (const name of Object.keys(functions)) await space.waitReady(name);
    slow = { hanging: space.invoke("hangs-in-init", {}), late: space.invoke("slow-init", {}) };
    for (const answer of Object.values(slow)) answer.catch(() => undefined);
  });
  after(async () => {
    await space.close();
  });

  /** One at a time is ten calls a second at most (concurrency 27): more are refused. */
  beforeEach(async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
  });

  async function probe(name: string): Promise<{ calls: number; kept: boolean; pid: number }> {
    return (await space.call(name, {})) as { calls: number; kept: boolean; pid: number };
  }

  it("invoke-api 12, lifecycle 1: a handler that throws; the next call is warm", async () => {
    const { calls } = await probe("obedient");
    const answer = await space.invoke("obedient", { act: "throw" });
    assertFailed(answer, { errorType: "TypeError", errorMessage: "no good" });
    assert.ok(Array.isArray(jsonOf(answer)["trace"]));
    assert.equal((await probe("obedient")).calls, calls + 2);
  });

  const acts: Record<string, { act: string } & Failure> = {
    "invoke-api 14, lifecycle 5: a handler that exits": {
      act: "exit",
      errorType: "Runtime.ExitError",
      errorMessage: "RequestId: <id> Error: Runtime exited without providing a reason",
    },
    "lifecycle 6: a handler that exits with a status": {
      act: "exit 3",
      errorType: "Runtime.ExitError",
      errorMessage: "RequestId: <id> Error: Runtime exited with error: exit status 3",
    },
    "lifecycle 7: a runtime that is killed": {
      act: "kill",
      errorType: "Runtime.ExitError",
      errorMessage: "RequestId: <id> Error: Runtime exited with error: signal: killed",
    },
    "invoke-api 13, lifecycle 2: a handler that sleeps past its timeout": {
      act: "sleep",
      errorType: "Sandbox.Timedout",
      errorMessage: "RequestId: <id> Error: Task timed out after 1.00 seconds",
    },
    "lifecycle 2: a handler that loops and never yields": {
      act: "spin",
      errorType: "Sandbox.Timedout",
      errorMessage: "RequestId: <id> Error: Task timed out after 1.00 seconds",
    },
  };
  for (const [title, { act, ...failure }] of Object.entries(acts)) {
    it(`${title}; the next call has a fresh process`, async () => {
      assert.ok((await probe("obedient")).calls > 0);
      const answer = await space.invoke("obedient", { act });
      assertFailed(answer, failure);
      assert.deepEqual(Object.keys(jsonOf(answer)), ["errorType", "errorMessage"], "lifecycle 31");
      assert.equal((await probe("obedient")).calls, 1);
    });
  }

  it("lifecycle 3: after a timeout /tmp is kept", async () => {
    assert.equal((await probe("single")).kept, false);
    await space.invoke("single", { act: "sleep" });
    const { calls, kept } = await probe("single");
    assert.deepEqual({ calls, kept }, { calls: 1, kept: true });
  });

  it("invoke-api 15, lifecycle 21: an answer of 7 MB", async () => {
    const answer = await space.invoke("obedient", { act: "7 MB" });
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled");
    assert.equal(
      answer.bytes.toString(),
      '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}',
    );
    assert.ok((await probe("obedient")).calls > 0);
  });

  it("lifecycle 15: a handler that takes more memory than it may; a later call works", async () => {
    assert.equal((await probe("eater")).calls, 1);
    const answer = await space.invoke("eater", { act: "eat" });
    assert.equal(answer.headers["x-amz-function-error"], "Unhandled", answer.bytes.toString());
    assert.match(String(jsonOf(answer)["errorType"]), /^Runtime\.(OutOfMemory|ExitError)$/);
    assert.match(String(jsonOf(answer)["errorMessage"]), /signal: killed$/);
    assert.equal((await probe("eater")).calls, 1);
  });

  const inits: Record<string, { name: string } & Failure> = {
    "lifecycle 8: a module that exits": {
      name: "exits-in-init",
      errorType: "Runtime.ExitError",
      errorMessage: "RequestId: <id> Error: Runtime exited with error: exit status 5",
    },
    "a module that throws": { name: "throws-in-init", errorType: "RangeError", errorMessage: "never loads" },
    "lifecycle 9: a syntax error in Node.js": {
      name: "bad-syntax",
      errorType: "Runtime.UserCodeSyntaxError",
      errorMessage: /SyntaxError/,
    },
    "lifecycle 10: a missing module in Python": {
      name: "no-module",
      errorType: "Runtime.ImportModuleError",
      errorMessage: "Unable to import module 'absent': No module named 'absent'",
    },
    "an export that is not there": { name: "no-export", errorType: "Runtime.HandlerNotFound", errorMessage: /handler/ },
    "lifecycle 16: no bootstrap": {
      name: "no-bootstrap",
      errorType: "Runtime.InvalidEntrypoint",
      errorMessage: "RequestId: <id> Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
    },
    "lifecycle 17: a bootstrap that may not be executed": {
      name: "closed-bootstrap",
      errorType: "Runtime.InvalidEntrypoint",
      errorMessage: "RequestId: <id> Error: fork/exec /var/task/bootstrap: permission denied",
    },
  };
  for (const [title, { name, ...failure }] of Object.entries(inits)) {
    it(`${title}; every call is told so (lifecycle 34), and the conditions`, async () => {
      assertFailed(await space.invoke(name, {}), failure);
      assertFailed(await space.invoke(name, {}), failure);
      const healthy = await space.waitCondition(name, "EnvironmentsHealthy", ({ status }) => status === "False");
      assert.equal(healthy.reason, "InitError");
      assert.ok(healthy.message.includes(failure.errorType), healthy.message);
    });
  }

  it("lifecycle 12: an init that hangs, with a short timeout", async () => {
    assertFailed(await slow.hanging, {
      errorType: "Sandbox.Timedout",
      errorMessage: "RequestId: <id> Error: Task timed out after 2.00 seconds",
    });
  });

  it("lifecycle 11: an init over 10 s is repeated inside the call, which then succeeds", async () => {
    const answer = await slow.late;
    assert.deepEqual([answer.status, answer.bytes.toString()], [200, '"late"']);
  });
});

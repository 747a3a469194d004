/** Invoke from end to end in processes: the AWS SDK, a router or several, an agent, the Go supervisor and a runtime. */
import assert from "node:assert/strict";
import { InvokeCommand } from "@aws-sdk/client-lambda";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { RoutedEnvironment } from "../kit/routed-environment.ts";
import { runtimeProgram } from "../kit/scripted-runtime.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

/** Does what the event asks for, and says which process it was. */
const obedient = runtimeProgram(`
  for (;;) {
    const { id, body } = await next();
    const { lines = 0, error, exit, ms = 0 } = JSON.parse(body);
    for (let n = 1; n <= lines; n++) console.log("line " + String(n).padStart(4, "0"));
    if (error) { await fail(id, JSON.stringify(error)); continue; }
    if (exit !== undefined) process.exit(exit);
    await sleep(ms);
    await respond(id, JSON.stringify({ pid: process.pid }));
  }`);

interface Told {
  readonly pid?: number;
  readonly errorType?: string;
  readonly errorMessage?: string;
}

describeWithRouters("Invoke end to end", function (this: Mocha.Suite, routers) {
  this.timeout(60_000);
  let routed: RoutedEnvironment;

  before(async function () {
    this.timeout(300_000);
    await buildSupervisor();
    routed = await RoutedEnvironment.start({ routers, bootstrap: obedient, timeoutSeconds: 1 });
  });
  after(async () => routed.stop());

  async function invoke(event: object) {
    const command = { FunctionName: "probe", Payload: JSON.stringify(event), LogType: "Tail" } as const;
    const {
      Payload,
      StatusCode,
      FunctionError,
      LogResult = "",
      $metadata,
    } = await routed.sdk.send(new InvokeCommand(command));
    const told = JSON.parse(Payload?.transformToString() ?? "") as Told;
    const log = Buffer.from(LogResult, "base64");
    return { status: StatusCode, functionError: FunctionError, told, log, requestId: $metadata.requestId };
  }

  it("invoke-api 7: LogResult is the log of the call, from START to REPORT, with its request id", async () => {
    const { log, requestId } = await invoke({ lines: 1 });
    const [start, line, end, report, ...others] = log.toString().split("\n");
    assert.equal(start, `START RequestId: ${requestId} Version: $LATEST`);
    assert.equal(line, "line 0001");
    assert.equal(end, `END RequestId: ${requestId}`);
    assert.ok(report?.startsWith(`REPORT RequestId: ${requestId}\t`), report);
    assert.deepEqual(others, [""]);
  });

  it("invoke-api 7, 9: of 10 KB that a handler prints LogResult has the last 4,096 bytes, and ends with REPORT", async () => {
    const { log, requestId } = await invoke({ lines: 1024 });
    assert.equal(log.length, 4096);
    const lines = log.toString().split("\n");
    // The first may be cut.
    const printed = lines.slice(1, -3);
    assert.deepEqual(
      printed,
      Array.from(
        { length: printed.length },
        (_, place) => `line ${String(1025 - printed.length + place).padStart(4, "0")}`,
      ),
    );
    assert.equal(lines.at(-3), `END RequestId: ${requestId}`);
    assert.ok(lines.at(-2)?.startsWith(`REPORT RequestId: ${requestId}\t`), lines.at(-2));
    assert.equal(lines.at(-1), "");
  });

  it("invoke-api 12: a handler's error is 200 with FunctionError and the error, and its process goes on", async () => {
    const { pid } = (await invoke({})).told;
    const error = { errorType: "Error", errorMessage: "it broke" };
    const { status, functionError, told } = await invoke({ error });
    assert.deepEqual([status, functionError, told], [200, "Unhandled", error]);
    assert.equal((await invoke({})).told.pid, pid);
  });

  it("invoke-api 13: a handler of 5 s is ended after the time limit of 1 s, and the next call has a new process", async () => {
    const { pid } = (await invoke({})).told;
    const { status, functionError, told } = await invoke({ ms: 5000 });
    assert.deepEqual([status, functionError, told.errorType], [200, "Unhandled", "Sandbox.Timedout"]);
    assert.match(told.errorMessage ?? "", /Task timed out after 1\.00 seconds$/);
    const next = await invoke({});
    assert.equal(next.functionError, undefined);
    assert.notEqual(next.told.pid, pid);
  });

  const exits: Record<string, { readonly exit: number; readonly says: string }> = {
    "with status 3": { exit: 3, says: "Runtime exited with error: exit status 3" },
    "as if all were well": { exit: 0, says: "Runtime exited without providing a reason" },
  };
  for (const [how, { exit, says }] of Object.entries(exits))
    it(`invoke-api 14: a handler that exits ${how} is Runtime.ExitError, and the next call has a new process`, async () => {
      const { pid } = (await invoke({})).told;
      const { status, functionError, told, requestId } = await invoke({ exit });
      assert.deepEqual([status, functionError], [200, "Unhandled"]);
      assert.deepEqual(told, {
        errorType: "Runtime.ExitError",
        errorMessage: `RequestId: ${requestId} Error: ${says}`,
      });
      const next = await invoke({});
      assert.equal(next.functionError, undefined);
      assert.notEqual(next.told.pid, pid);
    });
});

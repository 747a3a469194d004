import assert from "node:assert/strict";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import { EnvironmentLog, type EnvironmentLogParts } from "./environment-log.ts";

const metrics = { durationMs: 5, billedDurationMs: 5, memorySizeMB: 128, maxMemoryUsedMB: 38 };
const report = { requestId: "r", status: "success", metrics } as const;
const reportLine =
  "REPORT RequestId: r\tDuration: 5.00 ms\tBilled Duration: 5 ms\tMemory Size: 128 MB\tMax Memory Used: 38 MB\t\n";
const own = { kind: "function" } as const;
const initStart = {
  initializationType: "on-demand",
  phase: "init",
  functionName: "f",
  functionVersion: "$LATEST",
  runtimeVersion: "x",
} as const;

function logOf(document: EnvironmentLogParts["document"] = { logFormat: "Text" }): {
  readonly log: EnvironmentLog;
  readonly written: string[];
} {
  const written: string[] = [];
  const log = new EnvironmentLog({
    document,
    write: (text) => void written.push(text),
    clock: new ManualClock(),
    draw: () => 0,
    agentLog: () => undefined,
  });
  return { log, written };
}

function textOf(base64: string | undefined): string | undefined {
  return base64 === undefined ? undefined : Buffer.from(base64, "base64").toString();
}

describe("EnvironmentLog", () => {
  it("telemetry-api 34: a tail has what was written from START on, and END and REPORT as of now", () => {
    const { log } = logOf();
    log.keepTail("r");
    log.tell("platform.initStart", initStart);
    log.output(own, 1, Buffer.from("init\n"));
    log.tell("platform.start", { requestId: "r", version: "3" });
    log.output(own, 1, Buffer.from("half"));
    log.output({ kind: "extension", name: "x" }, 2, Buffer.from(" and\n"));
    assert.equal(
      textOf(log.takeTail(report)),
      `START RequestId: r Version: 3\nhalf and\nEND RequestId: r\n${reportLine}`,
    );
    assert.equal(log.takeTail(report), undefined);
  });

  it("a tail does not end twice when runtimeDone came before it was taken", () => {
    const { log } = logOf();
    log.keepTail("r");
    log.tell("platform.start", { requestId: "r", version: "3" });
    log.tell("platform.runtimeDone", { requestId: "r", status: "success" });
    assert.equal(textOf(log.takeTail(report)), `START RequestId: r Version: 3\nEND RequestId: r\n${reportLine}`);
  });

  it("a tail that is taken after its REPORT has that one, and nothing of what followed", () => {
    const { log } = logOf();
    log.keepTail("r");
    log.tell("platform.start", { requestId: "r", version: "3" });
    log.tell("platform.runtimeDone", { requestId: "r", status: "success" });
    log.output({ kind: "extension", name: "x" }, 1, Buffer.from("late\n"));
    log.tell("platform.report", report);
    log.output(own, 1, Buffer.from("later\n"));
    log.tell("platform.start", { requestId: "s", version: "3" });
    assert.equal(
      textOf(log.takeTail({ ...report, metrics: { ...metrics, durationMs: 1 } })),
      `START RequestId: r Version: 3\nEND RequestId: r\nlate\n${reportLine}`,
    );
  });

  it("there is no tail that was not asked for, nor of another invocation", () => {
    const { log } = logOf();
    log.tell("platform.start", { requestId: "r" });
    assert.equal(log.takeTail(report), undefined);
    log.keepTail("q");
    log.tell("platform.start", { requestId: "r" });
    assert.equal(log.takeTail(report), undefined);
  });

  it("a tail has the records of stream 3 as lines, not as frames", () => {
    const { log } = logOf();
    log.close();
    log.keepTail("r");
    log.tell("platform.start", { requestId: "r" });
    const head = Buffer.from("a55a000300000003", "hex");
    log.output(own, 3, Buffer.concat([head, Buffer.alloc(8), Buffer.from("a\n")]));
    log.output(own, 3, Buffer.from("b"));
    assert.equal(
      textOf(log.takeTail(report)),
      `START RequestId: r Version: $LATEST\na\nb\nEND RequestId: r\n${reportLine}`,
    );
  });

  it("telemetry-api 32: the container's log has the platform's lines in the order they are told", () => {
    const { log, written } = logOf();
    log.tell("platform.initStart", initStart);
    log.tell("platform.extension", { name: "x", state: "Ready", events: ["INVOKE"] });
    log.tell("platform.start", { requestId: "r", version: "$LATEST" });
    assert.equal(log.requestId, "r");
    log.tell("platform.runtimeDone", { requestId: "r", status: "success" });
    log.tell("platform.report", report);
    assert.equal(log.requestId, undefined);
    assert.deepEqual(written, [
      "INIT_START Runtime Version: x\n",
      "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE]\n",
      "START RequestId: r Version: $LATEST\n",
      "END RequestId: r\n",
      reportLine,
    ]);
  });

  it("the JSON format has events of the configured level", () => {
    const types = (level: string): string[] => {
      const { log, written } = logOf({ logFormat: "JSON", systemLogLevel: level });
      log.keepTail("r");
      log.tell("platform.start", { requestId: "r" });
      const tail = log.takeTail(report);
      log.tell("platform.runtimeDone", { requestId: "r", status: "success", metrics: { durationMs: 5 } });
      log.tell("platform.report", report);
      assert.equal(textOf(tail), written.join(""));
      return written.map((line) => (JSON.parse(line) as { type: string }).type);
    };
    assert.deepEqual(types("DEBUG"), ["platform.start", "platform.runtimeDone", "platform.report"]);
    assert.deepEqual(types("INFO"), ["platform.start", "platform.report"]);
    assert.deepEqual(types("WARN"), []);
  });
});

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { createLogger, type Logger, type LogLevel } from "./logger.ts";

function linesOf(level: LogLevel, write: (logger: Logger) => void): Promise<Record<string, unknown>[]> {
  const stream = new PassThrough();
  write(createLogger({ process: "operator", level, stream }));
  const text = (stream.read() as Buffer | null)?.toString("utf8") ?? "";
  return Promise.resolve(
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
}

describe("createLogger", () => {
  it("writes one JSON line with the fields and the process", async () => {
    const [line] = await linesOf("info", (logger) =>
      logger.info("made", { kind: "Function", namespace: "a", name: "b", requestId: "c" }),
    );
    const { timestamp, ...rest } = line!;
    assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT/);
    const fields = { kind: "Function", namespace: "a", name: "b", requestId: "c" };
    assert.deepEqual(rest, { level: "info", message: "made", process: "operator", ...fields });
  });

  it("leaves out what is below its level", async () => {
    const lines = await linesOf("warn", (logger) => {
      logger.info("no");
      logger.debug("no");
      logger.error("yes");
    });
    assert.deepEqual(
      lines.map((line) => line["message"]),
      ["yes"],
    );
  });

  it("shows an error with its code, stack and cause", async () => {
    const error = Object.assign(new Error("outer", { cause: new Error("inner") }), { code: "Gone" });
    const [line] = await linesOf("info", (logger) => logger.warn("failed", { error }));
    const shown = line!["error"] as { message: string; code: string; stack: string; cause: { message: string } };
    assert.equal(shown.message, "outer");
    assert.equal(shown.code, "Gone");
    assert.match(shown.stack, /logger\.test\.ts/);
    assert.equal(shown.cause.message, "inner");
  });

  it("lets no field take the place of message or level", async () => {
    const [line] = await linesOf("info", (logger) => logger.info("mine", { message: "other", level: "x" }));
    assert.equal(line!["message"], "mine");
    assert.equal(line!["level"], "info");
  });
});

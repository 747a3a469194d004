/** A process's log on a real pipe: who does not read it costs a bounded part of memory, and what was said last is written, however the process ends. */
import assert from "node:assert/strict";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { repositoryRoot } from "../cluster/paths.ts";

type Line = Readonly<Record<string, unknown>>;

const setUp = `
import { systemClock as clock } from "./lib/clock.ts";
import { openOutput, openProcessLog } from "./lib/process-log.ts";
const log = openProcessLog({ process: "router", level: "info", output: openOutput(clock), clock });
`;

describe("a process's own log", () => {
  let child: ChildProcessByStdio<null, Readable, Readable>;
  afterEach(() => void child.kill("SIGKILL"));

  function start(program: string): void {
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", setUp + program];
    child = spawn(process.execPath, args, { cwd: repositoryRoot, stdio: ["ignore", "pipe", "pipe"] });
  }

  async function read(): Promise<readonly Line[]> {
    const all = (await text(child.stdout)).split("\n").slice(0, -1);
    return all.map((line) => JSON.parse(line) as Line);
  }

  it("keeps a bounded part of what nobody reads; what was dropped is told once there is room", async () => {
    start(`
      const count = 20_000;
      for (let n = 0; n < count; n += 1) log.info("said", { n, padding: "x".repeat(100) });
      setImmediate(() => process.stderr.write("goes on\\n"));
    `);
    const [said] = (await once(child.stderr, "data")) as [Buffer];
    assert.equal(said.toString(), "goes on\n");
    const lines = await read();
    const written = lines.filter(({ message }) => message === "said");
    const told = lines.filter(({ dropped }) => dropped !== undefined);
    assert.equal(told.length, 1);
    assert.equal(written.length + Number(told[0]?.["dropped"]), 20_000);
    assert.ok(Number(told[0]?.["dropped"]) > 0);
  });

  const ends: Record<string, string> = {
    "exits at once": "process.exit(0);",
    "ends by an error that nobody catches": 'throw new Error("wrong");',
    "has nothing more to do": "",
  };
  for (const [how, end] of Object.entries(ends)) {
    it(`is whole when the process ${how}, with what is no ASCII`, async () => {
      start(`
        for (let n = 0; n < 5000; n += 1) log.info("said", { n });
        setImmediate(() => {
          log.error("the last, ä€😀", { error: new Error("why") });
          ${end}
        });
      `);
      const lines = await read();
      assert.equal(lines.length, 5001);
      const last = lines.find(({ level }) => level === "error");
      assert.equal(last?.["message"], "the last, ä€😀");
      assert.equal((last["error"] as Line)["message"], "why");
    });

    it(`says how many errors of a kind it has left out when the process ${how}`, async () => {
      start(`
        for (let n = 0; n < 25; n += 1) log.error("refused", { name: "f", n });
        ${end}
      `);
      const lines = await read();
      const leftOut = lines.map((line) => line["leftOut"] ?? 0);
      assert.deepEqual(leftOut, [...Array.from({ length: 10 }, () => 0), 15]);
    });
  }

  it("says how many lines it has dropped when the process ends before there is room", async () => {
    start(`
      for (let n = 0; n < 20_000; n += 1) log.info("said", { padding: "x".repeat(100) });
      process.exit(0);
    `);
    const lines = await read();
    const last = lines.at(-1);
    assert.equal(lines.length - 1 + Number(last?.["dropped"]), 20_000);
  });
});

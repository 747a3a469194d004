/** Output: whole, in order, with back-pressure, exact at a flush. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type * as nodeFs from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { frameKinds } from "../../crds/wire/supervisor.ts";
import { comesToRest, reaches, residentBytes, sizeOf } from "./supervisor-observe.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeOutput(bench: SupervisorBench): void {
  describe("output", () => {
    it("copies output to its own and tells the streams and processes apart", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "echo one; echo two >&2; echo three >/dev/stdout");
      await agent.startShell(4_000_000_000, "echo four");
      await Promise.all([agent.exited(1), agent.exited(4_000_000_000)]);
      await agent.flush();
      assert.equal(agent.output(1, 1).toString(), "one\nthree\n");
      assert.equal(agent.output(1, 2).toString(), "two\n");
      assert.equal(agent.output(4_000_000_000).toString(), "four\n");
      await agent.waitFor("copies", () => (agent.stdout.split("\n").length > 4 ? true : undefined));
      assert.deepEqual(agent.stdout.split("\n").sort(), ["", "four", "one", "three", "two"]);
    });

    it("keeps the order of what the agent writes and what a process wrote before a flush", async () => {
      const agent = bench.supervise();
      const rounds = 50;
      await agent.start({ process: 1, argv: nodeArgv(writeLinesOnDemand, bench.folder, rounds) });
      for (let round = 0; round < rounds; round++) {
        await reaches("the line is written", () => sizeOf(join(bench.folder, "at")) === round + 1);
        await agent.flush();
        assert.ok(agent.output(1).toString().endsWith(`line ${round}\n`), `round ${round}: flushed before it was read`);
        agent.send(frameKinds.write, Buffer.from(`END ${round}\n`));
        // Commands are obeyed in order: after this answer the line above is written.
        await agent.flush();
        writeFileSync(join(bench.folder, `go${round}`), "");
      }
      await agent.exited(1);
      await agent.waitFor("the last END", () => (agent.stdout.includes(`END ${rounds - 1}\n`) ? true : undefined));
      const want = Array.from({ length: rounds }, (_, round) => `line ${round}\nEND ${round}\n`).join("");
      assert.equal(agent.stdout, want);
    });

    it("begins what the agent writes on a line of its own", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "printf unfinished");
      await agent.exited(1);
      await agent.flush();
      for (const line of ["END 1\n", "REPORT 1\n"]) agent.send(frameKinds.write, Buffer.from(line));
      await agent.waitFor("the lines", () => (agent.stdout.includes("REPORT 1\n") ? true : undefined));
      assert.equal(agent.stdout, "unfinished\nEND 1\nREPORT 1\n");
    });

    it("answers a flush while a process never stops writing", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "yes");
      for (let round = 0; round < 5; round++) await agent.flush();
      await agent.reset();
      assert.equal((await agent.exited(1)).signal, "killed");
    });

    it("brings 50 MB of each stream whole, in order and before the exit, to an agent that pauses", async () => {
      const agent = bench.supervise();
      const blocks = 500;
      await agent.start({ process: 1, argv: nodeArgv(writeBlocks, blocks) });
      for (const floor of [1e6, 5e6, 20e6]) {
        await agent.waitFor(`${floor} bytes`, () => (agent.outputBytes(1) >= floor ? true : undefined));
        agent.pause();
        const copied = await comesToRest(() => agent.stdoutBytes);
        assert.ok(copied < 2 * blocks * blockBytes, "it did not stop while the agent paused");
        agent.resume();
      }
      assert.deepEqual(await agent.exited(1), { process: 1, status: 0, outOfMemory: false });
      for (const stream of [1, 2] as const) {
        const want = createHash("sha256");
        for (let block = 0; block < blocks; block++) want.update(blockOf(stream, block));
        assert.equal(agent.outputBytes(1, stream), blocks * blockBytes);
        assert.equal(createHash("sha256").update(agent.output(1, stream)).digest("hex"), want.digest("hex"));
      }
    });

    it("stops reading processes while the agent reads nothing, holds little, and loses nothing", async () => {
      const agent = bench.supervise();
      const blocks = 200;
      await agent.startShell(2, "true");
      await agent.exited(2);
      const residentBefore = residentBytes(agent.child.pid!);
      agent.pause();
      const argv = nodeArgv(writeBlocks, blocks);
      agent.send(frameKinds.start, { process: 1, argv, env: {}, workingDirectory: "/" });
      await reaches("it writes", () => agent.stdoutBytes > 0);
      const taken = await comesToRest(() => agent.stdoutBytes);
      assert.ok(taken < 6e6, `${taken} bytes were taken from the process`);
      assert.ok(residentBytes(agent.child.pid!) - residentBefore < 32e6);
      agent.resume();
      assert.equal((await agent.exited(1)).status, 0);
      assert.equal(agent.outputBytes(1, 1), blocks * blockBytes);
      assert.equal(agent.outputBytes(1, 2), blocks * blockBytes);
    });

    it("reports the exit of a process whose output a grandchild holds open, then that one's output", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, `(while [ ! -e "${bench.folder}/go" ]; do sleep 0.02; done; echo late) & echo early`);
      assert.equal((await agent.exited(1)).status, 0);
      assert.equal(agent.output(1).toString(), "early\n");
      writeFileSync(join(bench.folder, "go"), "");
      await agent.waitFor("late", () => (agent.output(1).toString() === "early\nlate\n" ? true : undefined));
    });
  });
}

const blockBytes = 100_000;

/** Blocks differ from one another and between streams, so that neither loss nor a mix-up goes unseen. */
function blockOf(stream: 1 | 2, block: number): Buffer {
  return Buffer.from(`${stream}${String(block).padStart(9, ".")}`.repeat(blockBytes / 10));
}

/** argv of a Node process that runs the function, which may use nothing but its arguments. */
function nodeArgv(main: (...args: never[]) => void, ...args: readonly (string | number)[]): string[] {
  const call = `(${main.toString()})(${args.map((arg) => JSON.stringify(arg)).join(",")})`;
  return [process.execPath, "--input-type=module", "-e", `import * as fs from "node:fs"; globalThis.fs = fs; ${call}`];
}

/** Of the process that these functions run in. */
declare const fs: typeof nodeFs;

function writeBlocks(blocks: number): void {
  for (let block = 0; block < blocks; block++) {
    for (const stream of [1, 2]) {
      const bytes = Buffer.from(`${stream}${String(block).padStart(9, ".")}`.repeat(10_000));
      for (let offset = 0; offset < bytes.length;) offset += fs.writeSync(stream, bytes, offset);
    }
  }
}

/** Writes a line, says so in the size of a file, waits to be let go on. */
function writeLinesOnDemand(folder: string, lines: number): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let line = 0; line < lines; line++) {
    fs.writeSync(1, `line ${line}\n`);
    fs.writeFileSync(`${folder}/at`, "x".repeat(line + 1));
    while (!fs.existsSync(`${folder}/go${line}`)) Atomics.wait(never, 0, 0, 1);
  }
}

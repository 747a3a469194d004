/** The telemetry descriptor: what a process holds, what the agent gets of it, and what the log shows. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { frameKinds } from "../../crds/wire/supervisor.ts";
import type { SupervisorAgent } from "./supervisor-agent.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";
import { reaches, sizeOf } from "./supervisor-observe.ts";

/** What AWS gives the runtime clients. */
const awsFd = 62;
const textWithTime = 0xa55a0003;

export function describeTelemetry(bench: SupervisorBench): void {
  describe("telemetry", () => {
    /** Runs a script that may `cat` the named records to descriptor 7; returns when it has ended. */
    const run = async (script: string, records: Record<string, Buffer>): Promise<SupervisorAgent> => {
      for (const [name, bytes] of Object.entries(records)) bench.file(name, bytes);
      const agent = bench.supervise();
      await agent.startShell(1, script, { workingDirectory: bench.folder, telemetryFd: 7 });
      assert.equal((await agent.exited(1)).status, 0);
      await agent.flush();
      return agent;
    };
    const shows = (agent: SupervisorAgent, want: string): Promise<true> =>
      agent.waitFor(`the log ${JSON.stringify(want.slice(0, 200))}, it is ${JSON.stringify(agent.stdout)}`, () =>
        agent.stdout === want ? true : undefined,
      );

    it("telemetry-api 4: passes a record raw to the agent and its text as a line to the log", async () => {
      const bytes = record("Error: x\n    at a\n    at b");
      const agent = await run("cat record >&7", { record: bytes });
      assert.deepEqual(agent.output(1, 3), bytes);
      assert.equal(agent.output(1).length + agent.output(1, 2).length, 0);
      await shows(agent, "Error: x\n    at a\n    at b\n");
    });

    it("tells records apart however they come, and shows what is none as it is", async () => {
      const records = { a: record("one"), b: record('{"level":"INFO"}\n', 0xa55a000e), c: record("old", 0xa55a0001) };
      const noise = Buffer.from("not a record\n\xa5Z", "latin1");
      const script = `cat a b >&7; head -c 5 c >&7; tail -c +6 c >&7; cat noise a >&7`;
      const agent = await run(script, { ...records, noise });
      assert.deepEqual(agent.output(1, 3), Buffer.concat([records.a, records.b, records.c, noise, records.a]));
      const want = `one\n{"level":"INFO"}\nold\n${noise.toString()}one\n`;
      await shows(agent, want);
    });

    it("brings a record of 5 MB whole", async () => {
      const text = "0123456789".repeat(500_000);
      const agent = await run("cat record record >&7", { record: record(text) });
      assert.deepEqual(agent.output(1, 3), Buffer.concat([record(text), record(text)]));
      await shows(agent, `${text}\n${text}\n`);
    });

    it("ends as a line what a process that ends leaves unfinished", async () => {
      const agent = await run("head -c 20 record >&7", { record: record("long text") });
      assert.equal(agent.output(1, 3).length, 20);
      await shows(agent, "long\n");
    });

    it("keeps the order of records, other output and what the agent writes", async () => {
      const rounds = 10;
      bench.file("record", record("record"));
      const agent = bench.supervise();
      const wait = (name: string): string => `while [ ! -e ${name}$i ]; do sleep 0.01; done`;
      const script = `i=0; while [ $i -lt ${rounds} ]; do
        echo "line $i"; echo >>at; ${wait("a")}; cat record >&7; echo >>at; ${wait("b")}; i=$((i+1)); done`;
      await agent.startShell(1, script, { workingDirectory: bench.folder, telemetryFd: 7 });
      for (let round = 0; round < rounds; round++) {
        for (const [step, name] of ["a", "b"].entries()) {
          await reaches("it is written", () => sizeOf(join(bench.folder, "at")) === 2 * round + step + 1);
          await agent.flush();
          agent.send(frameKinds.write, Buffer.from(`${name}\n`));
          await agent.flush();
          writeFileSync(join(bench.folder, `${name}${round}`), "");
        }
      }
      await agent.exited(1);
      await shows(agent, Array.from({ length: rounds }, (_, round) => `line ${round}\na\nrecord\nb\n`).join(""));
    });

    it("a flush brings what is written, a reset brings the rest", async () => {
      const bytes = record("x".repeat(30_000));
      bench.file("record", bytes);
      const agent = bench.supervise();
      const script =
        "cat record >&7; echo >first; while [ ! -e go ]; do sleep 0.01; done; cat record >&7; echo >second; sleep 300";
      await agent.startShell(1, script, { workingDirectory: bench.folder, telemetryFd: 7 });
      await reaches("the first is written", () => sizeOf(join(bench.folder, "first")) > 0);
      await agent.flush();
      assert.equal(agent.outputBytes(1, 3), bytes.length);
      bench.file("go", "");
      await reaches("the second is written", () => sizeOf(join(bench.folder, "second")) > 0);
      await agent.reset();
      assert.equal(agent.outputBytes(1, 3), 2 * bytes.length);
    });

    const limits: Record<string, { openFiles?: number }> = { "with a limit": { openFiles: 1024 }, "without one": {} };
    for (const [title, limit] of Object.entries(limits)) {
      for (const telemetryFd of [awsFd, 3, undefined]) {
        it(`gives a process and its children descriptor ${telemetryFd ?? "none"} and nothing else: ${title}`, async () => {
          const agent = bench.supervise();
          // Looked at without opening any.
          const look = "for n in $(seq 3 100) 255; do [ -e /proc/$$/fd/$n ] && echo $n; done; :";
          const rest = { ...limit, ...(telemetryFd !== undefined && { telemetryFd }) };
          await agent.startShell(1, `${look}; sh -c '${look}'`, rest);
          assert.equal((await agent.exited(1)).status, 0);
          assert.equal(agent.output(1).toString(), telemetryFd === undefined ? "" : `${telemetryFd}\n`.repeat(2));
        });
      }
    }

    it("refuses a start and goes on, with a descriptor and a limit", async () => {
      const agent = bench.supervise();
      const missing = `${bench.folder}/missing`;
      for (const [index, telemetryFd] of [3, awsFd].entries()) {
        assert.deepEqual(await agent.start({ process: index, argv: [missing], telemetryFd, openFiles: 64 }), {
          process: index,
          error: { code: "InvalidEntrypoint", message: `fork/exec ${missing}: no such file or directory` },
        });
      }
      await agent.startShell(9, "true", { telemetryFd: awsFd, openFiles: 64 });
      assert.equal((await agent.exited(9)).status, 0);
    });

    it("stands at AWS's number for a client that opens it by number, and in a child of it", async () => {
      const agent = bench.supervise();
      const write = `require("fs").writeSync(${awsFd}, Buffer.from(process.argv[1], "hex"))`;
      const hex = record("from a client").toString("hex");
      const stdio = `["ignore", "inherit", "inherit", ...Array(${awsFd - 3}).fill("ignore"), ${awsFd}]`;
      const inChild = `require("child_process").spawnSync(process.execPath, ["-e", process.argv[2], process.argv[1]], { stdio: ${stdio} })`;
      await agent.start({
        process: 1,
        argv: [process.execPath, "-e", `${write}; ${inChild}`, hex, write],
        telemetryFd: awsFd,
      });
      assert.deepEqual(await agent.exited(1), { process: 1, status: 0, outOfMemory: false });
      assert.deepEqual(agent.output(1, 3), Buffer.concat([record("from a client"), record("from a client")]));
      await shows(agent, "from a client\nfrom a client\n");
    });
  });
}

function record(text: string, type = textWithTime): Buffer {
  const hasTime = (type & 2) !== 0;
  const head = Buffer.alloc(hasTime ? 16 : 8);
  head.writeUInt32BE(type, 0);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  if (hasTime) head.writeBigUInt64BE(1_700_000_000_000_000n, 8);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** The connection: its end, its bounds, nonsense on it. */
import assert from "node:assert/strict";
import { frameKinds } from "../../crds/wire/supervisor.ts";
import { isAlive, pidsPrinted, processesWith, reaches } from "./supervisor-observe.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeConnection(bench: SupervisorBench): void {
  describe("the connection", () => {
    it("reads memory with a flush, as numbers", async () => {
      const agent = bench.supervise();
      await agent.hello;
      const { peakBytes, currentBytes } = await agent.flush();
      assert.ok(Number.isSafeInteger(peakBytes) && peakBytes >= 0);
      assert.ok(Number.isSafeInteger(currentBytes) && currentBytes >= 0);
    });

    it("end kills everything and ends with status 0", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "setsid sleep 300 & echo $!; sleep 300");
      const [sleeper] = await pidsPrinted(agent, 1, 1);
      agent.send(frameKinds.end, {});
      assert.deepEqual(await agent.ended, { status: 0, signal: null });
      assert.equal(isAlive(sleeper!), false);
    });

    it("kills everything and ends with status 1 when the agent is gone", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "setsid sleep 300 & echo $!; sleep 300");
      const [sleeper] = await pidsPrinted(agent, 1, 1);
      agent.disconnect();
      assert.deepEqual(await agent.ended, { status: 1, signal: null });
      assert.equal(isAlive(sleeper!), false);
      assert.match(agent.stderr, /^supervisor: .*the agent closed the connection\n$/);
    });

    it("notices that the agent is gone while its output waits", async () => {
      const agent = bench.supervise();
      await agent.hello;
      agent.pause();
      const env = { MARK: bench.folder };
      agent.send(frameKinds.start, { process: 1, argv: ["yes"], env, workingDirectory: "/" });
      await reaches("it writes", () => agent.stdout.length > 100_000);
      agent.disconnect();
      assert.equal((await agent.ended).status, 1);
      assert.deepEqual(processesWith(bench.folder), []);
    });

    it("minds no TERM, INT or HUP, and lets processes mind them", async () => {
      const agent = bench.supervise();
      await agent.hello;
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) agent.child.kill(signal);
      await agent.startShell(1, "kill -TERM $$; echo survived");
      assert.equal((await agent.exited(1)).signal, "terminated");
      assert.equal(agent.child.exitCode, null);
    });

    it("connects once", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "true");
      await agent.exited(1);
      await agent.reset();
      await agent.flush();
      assert.equal(agent.connections, 1);
    });

    const nonsense: Record<string, { bytes: Buffer; says: RegExp }> = {
      "a frame above the bound": {
        bytes: Buffer.from([0, 0x10, 0, 1, 0x57]),
        says: /frame.*1048577 bytes.*1 to 1048576/,
      },
      "an empty frame": { bytes: Buffer.from([0, 0, 0, 0]), says: /frame.*0 bytes/ },
      "broken JSON": {
        bytes: frame("S", '{"process":1,'),
        says: /frame 'S' of the agent is not the JSON it should be/,
      },
      "JSON that is no object": { bytes: frame("R", "[]"), says: /frame 'R' of the agent is not a JSON object/ },
      "a member of a wrong type": {
        bytes: frame("S", '{"process":1,"argv":"sh","env":{},"workingDirectory":"/"}'),
        says: /frame 'S' of the agent is not the JSON it should be/,
      },
      "a start without number": {
        bytes: frame("S", '{"argv":["sh"],"env":{},"workingDirectory":"/"}'),
        says: /frame 'S' of the agent/,
      },
      "a signal that is none of the four": {
        bytes: frame("K", '{"process":1,"signal":"SIGUSR1"}'),
        says: /frame 'K' of the agent.*SIGUSR1/,
      },
      "a telemetry descriptor that is taken": {
        bytes: frame("S", '{"process":1,"argv":["sh"],"env":{},"workingDirectory":"/","telemetryFd":2}'),
        says: /frame 'S' of the agent has telemetry descriptor 2, right is 3 to 255/,
      },
      "a telemetry descriptor out of bounds": {
        bytes: frame("S", '{"process":1,"argv":["sh"],"env":{},"workingDirectory":"/","telemetryFd":256}'),
        says: /frame 'S' of the agent has telemetry descriptor 256, right is 3 to 255/,
      },
      "a list without id": { bytes: frame("L", '{"path":"/"}'), says: /frame 'L' of the agent has no id/ },
      "a list of no path": { bytes: frame("L", '{"id":1,"path":[]}'), says: /frame 'L' of the agent is not the JSON/ },
      "a flush without id": { bytes: frame("F", "{}"), says: /frame 'F' of the agent has no id/ },
      "a stop that is no object": { bytes: frame("Z", "1"), says: /frame 'Z' of the agent is not a JSON object/ },
      "a go on that is no object": { bytes: frame("C", "[]"), says: /frame 'C' of the agent is not a JSON object/ },
      "an unknown kind": { bytes: frame("?", "{}"), says: /unknown kind '\?'/ },
    };
    for (const [title, { bytes, says }] of Object.entries(nonsense)) {
      it(`ends with one clear line on ${title}`, async () => {
        const agent = bench.supervise();
        const pid = await agent.startShell(41, "sleep 300");
        agent.sendRaw(bytes);
        assert.equal((await agent.ended).status, 1);
        assert.match(agent.stderr, says);
        assert.equal(agent.stderr.trim().split("\n").length, 1);
        assert.equal(isAlive(pid), false);
      });
    }

    it("refuses a process number that is in use", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "sleep 300");
      agent.send(frameKinds.start, { process: 1, argv: ["sh"], env: {}, workingDirectory: "/" });
      assert.equal((await agent.ended).status, 1);
      assert.match(agent.stderr, /process number 1 twice/);
    });

    it("takes frames as large as they may be and however they are cut", async () => {
      const agent = bench.supervise();
      await agent.hello;
      const text = Buffer.alloc(1024 * 1024 - 1, "x");
      agent.send(frameKinds.write, text);
      const flush = frame("F", '{"id":77}');
      for (const byte of flush) agent.sendRaw(Buffer.from([byte]));
      await agent.waitFor("the flush", () => agent.frames.find(({ kind }) => kind === frameKinds.flush));
      await agent.waitFor("the text", () => (agent.stdout.length === text.length ? true : undefined));
      assert.equal(agent.stdout, text.toString());
    });
  });
}

function frame(kind: string, payload: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + Buffer.byteLength(payload));
  head.write(kind, 4);
  return Buffer.concat([head, Buffer.from(payload)]);
}

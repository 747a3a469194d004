/** Stopping everything between invocations, and going on. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { frameKinds } from "../../crds/wire/supervisor.ts";
import type { SupervisorAgent } from "./supervisor-agent.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";
import { comesToRest, isAlive, pidsPrinted, processesWith, reaches, sizeOf, stateOf } from "./supervisor-observe.ts";

/** Counts in a file of its own, `$1`, as long as the fuse is there. */
const count = "while [ -e $FUSE ]; do echo >>$1; sleep 0.01; done";

export function describeStop(bench: SupervisorBench): void {
  describe("stop and go on", () => {
    const counts = (): string[] => ["a", "b", "c", "d"].map((name) => join(bench.folder, name));
    const total = (): number => counts().reduce((sum, path) => sum + sizeOf(path), 0);
    /** A process, a child of it, one in a session of its own, and an orphan without output; all count. */
    const startCounting = async (agent: SupervisorAgent): Promise<string> => {
      const fuse = bench.file("fuse", "");
      const [a, b, c, d] = counts();
      const counter = bench.file("count", `#!/bin/sh\n${count}\n`);
      const script = `${counter} ${b} & setsid ${counter} ${c} & (setsid ${counter} ${d} >/dev/null 2>&1 &) ; ${counter} ${a}; wait`;
      await agent.startShell(1, script, { env: { FUSE: fuse } });
      await reaches("all count", () => counts().every((path) => sizeOf(path) > 0));
      return fuse;
    };
    /** A shell that is just making a process waits in state D for that one, which is stopped. */
    const stopped = new Set(["T", "D"]);
    const areStopped = (fuse: string): boolean => {
      const states = processesWith(fuse).map((pid) => stateOf(pid) ?? "");
      return states.length > 0 && states.every((state) => stopped.has(state));
    };
    const stop = async (agent: SupervisorAgent, fuse: string): Promise<void> => {
      agent.send(frameKinds.stop, {});
      await agent.flush();
      await reaches("all are stopped", () => areStopped(fuse));
    };

    it("lifecycle 5: stops every process, also those that left, and lets all go on", async () => {
      const agent = bench.supervise();
      const fuse = await startCounting(agent);
      for (let round = 0; round < 3; round++) {
        await stop(agent, fuse);
        const before = total();
        assert.equal(await comesToRest(total), before);
        const sizes = counts().map(sizeOf);
        agent.send(frameKinds.goOn, {});
        await reaches("all go on", () => counts().every((path, index) => sizeOf(path) > sizes[index]!));
      }
      assert.deepEqual(
        agent.frames.filter(({ kind }) => kind === frameKinds.exit),
        [],
      );
    });

    it("stops what forks and leaves faster than one can look", async () => {
      const agent = bench.supervise();
      const hop = bench.file("hop", '#!/bin/sh\n[ -e "$FUSE" ] && echo >>"$FUSE" && setsid "$0" &\n');
      const env = { FUSE: bench.file("fuse", "") };
      await agent.startShell(1, `for i in 1 2 3 4 5 6 7 8; do ${hop} & done; wait; sleep 300`, { env });
      await reaches("they hop", () => sizeOf(env.FUSE) > 50);
      agent.send(frameKinds.stop, {});
      await agent.flush();
      await reaches("all are stopped", () => areStopped(env.FUSE));
      const hops = sizeOf(env.FUSE);
      assert.equal(await comesToRest(() => sizeOf(env.FUSE)), hops);
      agent.send(frameKinds.goOn, {});
      await reaches("they hop again", () => sizeOf(env.FUSE) > hops + 20);
      await agent.reset();
      assert.deepEqual(processesWith(env.FUSE), []);
    });

    it("reads memory and output of what is stopped", async () => {
      const agent = bench.supervise();
      const fuse = bench.file("fuse", "");
      await agent.startShell(1, `echo written; ${count.replace("$1", join(bench.folder, "a"))}`, {
        env: { FUSE: fuse },
      });
      await reaches("it counts", () => sizeOf(join(bench.folder, "a")) > 0);
      await stop(agent, fuse);
      await agent.flush();
      assert.equal(agent.output(1).toString(), "written\n");
    });

    it("starts a process beside what is stopped", async () => {
      const agent = bench.supervise();
      const fuse = await startCounting(agent);
      await stop(agent, fuse);
      await agent.startShell(2, "echo runs", { openFiles: 1024, telemetryFd: 62 });
      assert.deepEqual(await agent.exited(2), { process: 2, status: 0, outOfMemory: false });
      assert.equal(agent.output(2).toString(), "runs\n");
      assert.ok(areStopped(fuse));
    });

    it("signals what is stopped: KILL at once, TERM once it goes on", async () => {
      const agent = bench.supervise();
      const env = { FUSE: bench.file("fuse", "") };
      const [first, second] = [
        await agent.startShell(1, "exec sleep 300", { env }),
        await agent.startShell(2, "exec sleep 300", { env }),
      ];
      await stop(agent, env.FUSE);
      agent.signal(1, "SIGKILL");
      assert.deepEqual(await agent.exited(1), { process: 1, signal: "killed", outOfMemory: false });
      agent.signal(2, "SIGTERM");
      await agent.flush();
      assert.deepEqual([isAlive(first), stateOf(second)], [false, "T"]);
      agent.send(frameKinds.goOn, {});
      assert.deepEqual(await agent.exited(2), { process: 2, signal: "terminated", outOfMemory: false });
    });

    it("resets and ends what is stopped", async () => {
      const agent = bench.supervise();
      const fuse = await startCounting(agent);
      await stop(agent, fuse);
      await agent.reset();
      assert.deepEqual(processesWith(fuse), []);
      assert.equal((await agent.exited(1)).signal, "killed");
      const again = await agent.startShell(2, "echo $$; exec sleep 300").then(() => pidsPrinted(agent, 2, 1));
      agent.send(frameKinds.stop, {});
      agent.send(frameKinds.end, {});
      assert.deepEqual(await agent.ended, { status: 0, signal: null });
      assert.deepEqual(again.filter(isAlive), []);
    });

    it("has nothing to stop, or to let go on", async () => {
      const agent = bench.supervise();
      await agent.hello;
      for (const kind of [frameKinds.stop, frameKinds.stop, frameKinds.goOn, frameKinds.goOn]) agent.send(kind, {});
      await agent.startShell(1, "exit 4");
      assert.equal((await agent.exited(1)).status, 4);
    });
  });
}

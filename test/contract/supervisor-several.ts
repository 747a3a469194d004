/** Several processes in one container: a runtime and the extensions that its image brings. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { isAlive, pidsPrinted, processesWith, reaches, sizeOf } from "./supervisor-observe.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeSeveral(bench: SupervisorBench): void {
  describe("several processes", () => {
    it("tells output and ends of each apart by its number", async () => {
      const agent = bench.supervise();
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
      const record = Buffer.concat([Buffer.from([0xa5, 0x5a, 0, 1, 0, 0, 0, 4]), Buffer.from("text")]);
      bench.file("record", record);
      const script = 'for i in 1 2 3 4 5; do echo "out $N $i"; echo "err $N $i" >&2; done; cat record >&7; exit $N';
      const started = numbers.map((number) =>
        agent.startShell(number, script, {
          env: { N: String(number) },
          workingDirectory: bench.folder,
          telemetryFd: 7,
        }),
      );
      const pids = await Promise.all(started);
      assert.equal(new Set(pids).size, numbers.length);
      for (const number of numbers) {
        assert.deepEqual(await agent.exited(number), { process: number, status: number, outOfMemory: false });
        const lines = (word: string): string => [1, 2, 3, 4, 5].map((i) => `${word} ${number} ${i}\n`).join("");
        assert.equal(agent.output(number, 1).toString(), lines("out"));
        assert.equal(agent.output(number, 2).toString(), lines("err"));
        assert.deepEqual(agent.output(number, 3), record);
      }
    });

    it("signals one group and leaves the others, whatever comes of one", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "sleep 300 & echo $!; wait");
      await agent.startShell(2, "sleep 300 & echo $!; wait");
      await agent.startShell(3, "echo $$; exec sleep 300");
      const printed = await Promise.all([1, 2, 3].map((number) => pidsPrinted(agent, number, 1)));
      const [first = 0, second = 0, third = 0] = printed.flat();
      agent.signal(2, "SIGTERM");
      assert.equal((await agent.exited(2)).signal, "terminated");
      await reaches("the second's child is gone", () => !isAlive(second));
      agent.signal(3, "SIGKILL");
      assert.equal((await agent.exited(3)).signal, "killed");
      assert.deepEqual([first, second, third].map(isAlive), [true, false, false]);
      await agent.startShell(4, "echo fourth");
      assert.equal((await agent.exited(4)).status, 0);
    });

    it("a reset ends all, and tells each end once and before its answer", async () => {
      const agent = bench.supervise();
      const env = { FUSE: bench.file("fuse", "") };
      const numbers = [11, 12, 13, 14];
      for (const number of numbers) {
        const ready = join(bench.folder, `ready${number}`);
        await agent.startShell(
          number,
          `trap "" TERM; echo "last words of ${number}"; setsid sleep 300 & echo >${ready}; sleep 300`,
          { env },
        );
        await reaches("it is ready", () => sizeOf(ready) > 0);
      }
      await agent.startShell(15, "exit 0");
      await agent.exited(15);
      await agent.reset();
      assert.deepEqual(processesWith(env.FUSE), []);
      assert.match(agent.frames.map(({ kind }) => kind).join(""), /^HPPPPPXXXXXD$/);
      for (const number of numbers) {
        assert.deepEqual(await agent.exited(number), { process: number, signal: "killed", outOfMemory: false });
        assert.equal(agent.output(number).toString(), `last words of ${number}\n`);
      }
    });
  });
}

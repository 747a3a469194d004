/** How ends are told, and what signals reach. */
import assert from "node:assert/strict";
import type { ProcessExit } from "../../crds/wire/supervisor.ts";
import { isAlive, pidsPrinted, programOf, reaches, stateOf } from "./supervisor-observe.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeEnds(bench: SupervisorBench): void {
  describe("ends and signals", () => {
    const ends: Record<string, { script: string; want: Omit<ProcessExit, "process" | "outOfMemory"> }> = {
      "lifecycle 5: exit status 0": { script: "exit 0", want: { status: 0 } },
      "lifecycle 6: exit status 3": { script: "exit 3", want: { status: 3 } },
      "exit status 255": { script: "exit 255", want: { status: 255 } },
      "lifecycle 7: SIGKILL": { script: "kill -KILL $$", want: { signal: "killed" } },
      SIGTERM: { script: "kill -TERM $$", want: { signal: "terminated" } },
      SIGINT: { script: "kill -INT $$", want: { signal: "interrupt" } },
      SIGHUP: { script: "kill -HUP $$", want: { signal: "hangup" } },
      SIGPIPE: { script: "kill -PIPE $$", want: { signal: "broken pipe" } },
      SIGUSR1: { script: "kill -USR1 $$", want: { signal: "user defined signal 1" } },
      SIGSEGV: { script: "ulimit -c 0; kill -SEGV $$", want: { signal: "segmentation fault" } },
      SIGABRT: { script: "ulimit -c 0; kill -ABRT $$", want: { signal: "aborted" } },
      SIGFPE: { script: "ulimit -c 0; kill -FPE $$", want: { signal: "floating point exception" } },
    };
    for (const [title, { script, want }] of Object.entries(ends)) {
      it(`reports an end in Go's words: ${title}`, async () => {
        const agent = bench.supervise();
        await agent.startShell(7, script);
        assert.deepEqual(await agent.exited(7), { process: 7, ...want, outOfMemory: false });
      });
    }

    it("signals the whole group of a process", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, 'trap "exit 9" TERM; sleep 300 & echo $!; wait');
      const [sleeper] = await pidsPrinted(agent, 1, 1);
      // Until then it is a copy of the shell, trap and all.
      await reaches("the sleeper sleeps", () => programOf(sleeper!) === "sleep");
      agent.signal(1, "SIGTERM");
      assert.equal((await agent.exited(1)).status, 9);
      await reaches("the sleeper is gone", () => !isAlive(sleeper!));
    });

    it("stops and continues, ignores a signal to what has ended", async () => {
      const agent = bench.supervise();
      // One process without children: a shell that is just making one shows no stop.
      const pid = await agent.startShell(1, "exec sleep 300");
      agent.signal(1, "SIGSTOP");
      await reaches("it is stopped", () => stateOf(pid) === "T");
      agent.signal(1, "SIGCONT");
      await reaches("it goes on", () => stateOf(pid) !== "T");
      agent.signal(1, "SIGKILL");
      assert.equal((await agent.exited(1)).signal, "killed");
      agent.signal(1, "SIGTERM");
      agent.signal(99, "SIGTERM");
      await agent.flush();
    });
  });
}

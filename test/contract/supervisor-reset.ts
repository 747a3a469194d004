/** A reset leaves nothing alive. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { comesToRest, isAlive, pidsPrinted, processesWith, reaches, sizeOf } from "./supervisor-observe.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeReset(bench: SupervisorBench): void {
  describe("reset", () => {
    it("reset kills what ignores TERM, daemons, sessions of their own and what is stopped; exits and output come before the answer", async () => {
      const agent = bench.supervise();
      const deaf = 'trap "" TERM HUP INT; while :; do sleep 0.05; done';
      const script = `
        sh -c '${deaf}' & echo $!
        setsid sh -c 'echo $$; ${deaf}' &
        sh -c 'setsid sh -c "echo \\$\\$; exec sleep 300" & exit 0'
        (setsid setsid sh -c 'echo $$; exec >/dev/null 2>&1 </dev/null; ${deaf}' &)
        sh -c 'kill -STOP $$' & echo $!
        ${deaf}`;
      await agent.startShell(1, script);
      await agent.startShell(2, `echo "last words"; ${deaf}`);
      await agent.waitFor("last words", () => (agent.output(2).length > 0 ? true : undefined));
      const pids = await pidsPrinted(agent, 1, 5);
      assert.ok(pids.every(isAlive));
      await agent.reset();
      assert.deepEqual(pids.filter(isAlive), []);
      const order = agent.frames.map(({ kind }) => kind).join("");
      assert.match(order, /^HPPXXD$/);
      assert.equal((await agent.exited(1)).signal, "killed");
    });

    it("reset brings the output that was still in the pipes", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, `head -c 60000 /dev/zero; echo > "${bench.folder}/written"; sleep 300`);
      await reaches("all is in the pipe", () => sizeOf(join(bench.folder, "written")) > 0);
      await agent.reset();
      assert.equal(agent.output(1).length, 60_000);
    });

    it("catches processes that fork and leave faster than one can look", async () => {
      const agent = bench.supervise();
      // Without its fuse, which goes with the test's folder, it ends by itself.
      const hop = bench.file("hop", '#!/bin/sh\n[ -e "$FUSE" ] && echo >>"$FUSE" && setsid "$0" &\n');
      const env = { FUSE: bench.file("fuse", "") };
      await agent.startShell(1, `trap "" TERM; for i in 1 2 3 4 5 6 7 8; do ${hop} & done; wait; sleep 300`, { env });
      await reaches("they hop", () => sizeOf(env.FUSE) > 50);
      await agent.reset();
      const hops = sizeOf(env.FUSE);
      assert.equal(await comesToRest(() => sizeOf(env.FUSE)), hops);
      assert.deepEqual(processesWith(env.FUSE), []);
      await agent.startShell(2, "echo again");
      assert.equal((await agent.exited(2)).status, 0);
      assert.equal(agent.output(2).toString(), "again\n");
    });

    it("reset with nothing to kill is answered", async () => {
      const agent = bench.supervise();
      await agent.hello;
      await agent.reset();
      await agent.reset();
    });
  });
}

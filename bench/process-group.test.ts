import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { waitUntil } from "../test/cluster/wait-until.ts";
import { ProcessGroup } from "./process-group.ts";
import { descendants } from "./process-usage.ts";

const shell = (script: string): { argv: string[] } => ({ argv: ["/bin/sh", "-c", script] });

describe("ProcessGroup", () => {
  const group = new ProcessGroup();
  afterEach(() => group.kill());

  it("hands over the first line and reads on", async () => {
    const process = await group.start(shell(`echo '{"port":7}'; echo more; read x`), true);
    assert.deepEqual(await process.ready(), { port: 7 });
    await process.end();
  });

  it("says why a process never got ready", async () => {
    const process = await group.start(shell("echo 'no such thing' >&2; exit 3"), true);
    await assert.rejects(process.ready(), /ended with 3: .*no such thing/s);
  });

  it("ends what a process has started too", async () => {
    const process = await group.start(shell(`sleep 1000 & echo '{}'; wait`), true);
    await process.ready();
    const [sleeper] = descendants(process.pid);
    await process.end();
    for (const pid of [process.pid, sleeper!]) {
      await waitUntil({ what: `process ${pid} to end`, timeoutMs: 5000, everyMs: 5 }, () => hasEnded(pid) || undefined);
    }
  });

  it("rejects for a program that is not there", async () => {
    await assert.rejects(group.start({ argv: ["/no/such/program"] }), /ENOENT/);
  });
});

/** A killed process that nobody has asked for yet is a zombie. */
function hasEnded(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}

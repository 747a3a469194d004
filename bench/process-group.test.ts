import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { ProcessGroup } from "./process-group.ts";
import { descendants } from "./process-usage.ts";

const shell = (script: string): { argv: string[] } => ({ argv: ["/bin/sh", "-c", script] });
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/root/`);

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
    assert.ok(!isAlive(process.pid) && !isAlive(sleeper!));
  });

  it("rejects for a program that is not there", async () => {
    await assert.rejects(group.start({ argv: ["/no/such/program"] }), /ENOENT/);
  });
});

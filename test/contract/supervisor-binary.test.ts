/** The supervisors as process 1, and what only the Go one promises: small, static, at home in any image, closed to the function's user. */
import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { frameKinds } from "../../crds/wire/supervisor.ts";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { comesToRest, isAlive, pidsPrinted, processesWith, reaches, sizeOf } from "./supervisor-observe.ts";
import { setUpBench } from "./supervisor-bench.ts";

const maxBinaryBytes = 5_000_000;
/** Not root, and nobody else's on the machine. */
const otherUser = 64_123;
const isRoot = process.getuid?.() === 0;
/** Elsewhere than as root the kernel is asked for a user namespace; where it grants none the test fails and says so. */
const namespaces = ["unshare", ...(isRoot ? [] : ["--user", "--map-root-user"]), "--mount", "--pid", "--fork"];

describe("supervisor's binary", function () {
  this.timeout(60_000);
  let binary = "";
  let command: readonly string[] = [];
  const bench = setUpBench(() => ({ command: command[0] ?? "", args: command.slice(1) }));

  before(async function () {
    this.timeout(300_000);
    binary = await buildSupervisor();
  });

  it("passes go vet and its own tests", async function () {
    this.timeout(300_000);
    const options = {
      cwd: fileURLToPath(new URL("../../runtime-proxy/supervisor/", import.meta.url)),
      timeout: 280_000,
    };
    await promisify(execFile)("go", ["vet", "./..."], options);
    await promisify(execFile)("go", ["test", "./..."], options);
  });

  it("is small and needs no library", () => {
    assert.ok(statSync(binary).size < maxBinaryBytes, `${statSync(binary).size} bytes`);
    assert.deepEqual(programHeaderTypes(readFileSync(binary)).filter(isDynamic), []);
  });

  it("runs alone in an empty root, as process 1", async () => {
    const root = mkdtempSync(join(tmpdir(), "supervisor-root-"));
    try {
      copyFileSync(binary, join(root, "supervisor"));
      chmodSync(join(root, "supervisor"), 0o555);
      mkdirSync(join(root, "agent"));
      // The agent's folder is mounted in, as in a pod; there is nothing else, no /proc and no /dev either.
      const script =
        'mount --bind "$(dirname "$KUBELAMBDA_SOCKET")" "$0/agent" && KUBELAMBDA_SOCKET=/agent/agent.sock exec chroot "$0" /supervisor';
      command = [...namespaces, "sh", "-c", script, root];
      const agent = bench.supervise();
      assert.equal((await agent.hello).protocol, 1);
      const missing = await agent.start({ process: 1, argv: ["/bin/sh"] });
      assert.deepEqual(missing, {
        process: 1,
        error: { code: "InvalidEntrypoint", message: "fork/exec /bin/sh: no such file or directory" },
      });
      // The one program that there is: without its variable it says so and ends.
      await agent.start({ process: 2, argv: ["/supervisor"], openFiles: 1024 });
      assert.deepEqual(await agent.exited(2), { process: 2, status: 1, outOfMemory: false });
      assert.match(agent.output(2, 2).toString(), /^supervisor: Cannot find the agent: KUBELAMBDA_SOCKET is not set/);
      await agent.reset();
      agent.send(frameKinds.end, {});
      assert.deepEqual(await agent.ended, { status: 0, signal: null });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  it("reaps orphans that it never started", async () => {
    command = [...namespaces, "--mount-proc", binary];
    const agent = bench.supervise();
    await agent.startShell(1, "for i in 1 2 3 4 5; do (setsid sh -c 'echo $$; exit 3' &); done; sleep 300");
    const orphans = await pidsPrinted(agent, 1, 5);
    const gone = orphans.map((pid) => `! [ -e /proc/${pid} ]`).join(" && ");
    await agent.startShell(2, `until ${gone}; do sleep 0.01; done; echo clean`);
    assert.equal((await agent.exited(2)).status, 0);
    assert.equal(agent.output(2).toString(), "clean\n");
  });

  const implementations: Record<string, () => readonly string[]> = {
    Go: () => [binary],
    TypeScript: () => [process.execPath, fileURLToPath(new URL("../../local/supervisor.ts", import.meta.url))],
  };
  for (const [language, argv] of Object.entries(implementations)) {
    it(`as process 1 leaves nothing but itself after a reset: ${language}`, async () => {
      command = [...namespaces, "--mount-proc", ...argv()];
      const agent = bench.supervise();
      const hop = bench.file("hop", '#!/bin/sh\n[ -e "$FUSE" ] && echo >>"$FUSE" && setsid "$0" &\n');
      const env = { FUSE: bench.file("fuse", "") };
      await agent.startShell(1, `trap "" TERM; for i in 1 2 3 4 5 6 7 8; do ${hop} & done; wait; sleep 300`, { env });
      await reaches("they hop", () => sizeOf(env.FUSE) > 50);
      await agent.reset();
      const hops = sizeOf(env.FUSE);
      assert.equal(await comesToRest(() => sizeOf(env.FUSE)), hops);
      assert.deepEqual(processesWith(env.FUSE), []);
      await agent.startShell(2, "grep -L '^State:.Z' /proc/[0-9]*/status | cut -d/ -f3");
      await agent.exited(2);
      const [first, ...others] = agent.output(2).toString().trim().split("\n");
      assert.equal(first, "1");
      assert.ok(others.length <= 3, `the shell that looks and its two programs, and not ${others.join(" ")}`);
    });

    it(`lifecycle 5: as process 1 stops all but itself and lets all go on: ${language}`, async () => {
      command = [...namespaces, "--mount-proc", ...argv()];
      const agent = bench.supervise();
      const hop = bench.file("hop", '#!/bin/sh\n[ -e "$FUSE" ] && echo >>"$FUSE" && setsid "$0" &\n');
      const env = { FUSE: bench.file("fuse", "") };
      await agent.startShell(1, `for i in 1 2 3 4 5 6 7 8; do ${hop} & done; wait; exec sleep 300`, { env });
      await reaches("they hop", () => sizeOf(env.FUSE) > 50);
      for (let round = 0; round < 3; round++) {
        agent.send(frameKinds.stop, {});
        await agent.flush();
        const hops = await comesToRest(() => sizeOf(env.FUSE));
        agent.send(frameKinds.goOn, {});
        await reaches("they hop again", () => sizeOf(env.FUSE) > hops + 20);
      }
      agent.send(frameKinds.stop, {});
      await agent.reset();
      assert.deepEqual(processesWith(env.FUSE), []);
    });

    it(`as process 1 outlives every signal that a function can send it: ${language}`, async () => {
      command = [...namespaces, "--mount-proc", ...argv()];
      const agent = bench.supervise();
      const signals = "HUP INT QUIT USR1 USR2 PIPE ALRM TERM KILL STOP TSTP";
      await agent.startShell(1, `for s in ${signals}; do kill -$s 1; done; echo sent`);
      assert.equal((await agent.exited(1)).status, 0);
      await agent.flush();
      assert.equal(agent.output(1).toString(), "sent\n");
    });
  }

  it("is closed to processes of its own user, which are the first victims when memory is short", async () => {
    const drop = isRoot
      ? ["setpriv", `--reuid=${otherUser}`, `--regid=${otherUser}`, "--clear-groups", "--inh-caps=-all"]
      : [];
    const copy = bench.file("supervisor", readFileSync(binary), 0o755);
    chmodSync(bench.folder, 0o755);
    command = [...drop, copy];
    const agent = bench.supervise({ SECRET: "of the supervisor" }, 0o777);
    const supervisor = agent.child.pid!;
    const files = ["environ", "mem", "maps", "fd/0"].map((name) => `/proc/${supervisor}/${name}`);
    await agent.startShell(
      1,
      `id -u; for f in ${files.join(" ")}; do head -c 1 "$f" 2>&1 >/dev/null; done; cat /proc/$$/oom_score_adj`,
    );
    assert.equal((await agent.exited(1)).status, 0);
    const [user, ...lines] = agent.output(1).toString().trim().split("\n");
    assert.equal(user, String(isRoot ? otherUser : process.getuid?.()));
    assert.equal(lines.filter((line) => line.includes("Permission denied")).length, files.length, lines.join("\n"));
    assert.equal(lines.at(-1), "1000");
  });

  it("says in one line what it lacks", () => {
    const cases: Record<string, { env: Record<string, string>; says: RegExp }> = {
      "no socket": {
        env: {},
        says: /^supervisor: Cannot find the agent: KUBELAMBDA_SOCKET is not set, right is the path of its socket\n$/,
      },
      "a path too long": {
        env: { KUBELAMBDA_SOCKET: `/${"x".repeat(108)}` },
        says: /the path has 109 bytes, right is 107 at most\n$/,
      },
      "a file that is no folder": { env: { KUBELAMBDA_SOCKET: `${binary}/agent.sock` }, says: /not a directory\n$/ },
    };
    for (const [title, { env, says }] of Object.entries(cases)) assert.match(complaintOf(binary, env), says, title);
  });

  it("waits for the agent's socket", async () => {
    command = [
      "sh",
      "-c",
      'mv "$KUBELAMBDA_SOCKET" "$0"; (sleep 0.3; mv "$0" "$KUBELAMBDA_SOCKET") & exec "$1"',
      join(bench.folder, "moved"),
      binary,
    ];
    const agent = bench.supervise();
    assert.equal((await agent.hello).protocol, 1);
    const [pid] = await agent.startShell(1, "echo $$; sleep 300").then(() => pidsPrinted(agent, 1, 1));
    assert.ok(isAlive(pid!));
  });
});

function complaintOf(binary: string, env: Record<string, string>): string {
  try {
    execFileSync(binary, [], { env, stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 });
  } catch (error) {
    const { status, stderr } = error as { status: number | null; stderr: Buffer };
    assert.equal(status, 1);
    return stderr.toString();
  }
  throw new assert.AssertionError({ message: "it ended as if all were well" });
}

/** Types of a 64-bit ELF's program headers. Source: elf(5). */
function programHeaderTypes(elf: Buffer): number[] {
  const [start, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => elf.readUInt32LE(start + index * size));
}

/** PT_DYNAMIC and PT_INTERP: what a loader would be needed for. */
function isDynamic(type: number): boolean {
  return type === 2 || type === 3;
}

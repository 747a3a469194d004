/** How processes start: directory, argv, variables, candidates, and what is said when they cannot. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { frameKinds, type StartErrorCode, type StartProcess } from "../../crds/wire/supervisor.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeStarts(bench: SupervisorBench): void {
  describe("starting", () => {
    it("says hello first, with the protocol's version", async () => {
      const agent = bench.supervise();
      assert.equal((await agent.hello).protocol, 1);
      assert.equal(agent.frames[0]!.kind, frameKinds.hello);
    });

    it("starts a process in its directory, in a session of its own, with empty input", async () => {
      const agent = bench.supervise();
      const script = 'pwd; cat; cut -d" " -f5,6 /proc/$$/stat 2>/dev/null; echo $$';
      const pid = await agent.startShell(1, script, { workingDirectory: bench.folder });
      assert.deepEqual(await agent.exited(1), { process: 1, status: 0, outOfMemory: false });
      const [directory, ...rest] = agent.output(1).toString().trim().split("\n");
      assert.equal(directory, bench.folder);
      assert.deepEqual(rest, [...(process.platform === "linux" ? [`${pid} ${pid}`] : []), String(pid)]);
    });

    it("gives argv and variables on as they are, less what is the pod's", async () => {
      const agent = bench.supervise({
        KUBERNETES_SERVICE_HOST: "192.0.2.1",
        KUBELAMBDA_OTHER: "1",
        OF_THE_IMAGE: "kept",
        REPLACED: "old",
      });
      const env = { PLAIN: "$(OF_THE_IMAGE) ${HOME} `id`", LINES: "a\nb\n", REPLACED: "new", EMPTY: "" };
      const print = "process.stdout.write(JSON.stringify([process.argv.slice(1), process.env]))";
      const argv = [process.execPath, "-e", print, "--", "$(OF_THE_IMAGE)", "two\nlines", "", "ü"];
      await agent.start({ process: 1, argv, env });
      await agent.exited(1);
      const [args, seen] = JSON.parse(agent.output(1).toString()) as [string[], Record<string, string>];
      assert.deepEqual(args, argv.slice(4));
      assert.deepEqual({ ...seen, ...env, OF_THE_IMAGE: "kept" }, seen);
      for (const gone of ["KUBERNETES_SERVICE_HOST", "KUBELAMBDA_OTHER", "KUBELAMBDA_SOCKET", "HOME"]) {
        assert.equal(seen[gone], undefined, gone);
      }
    });

    it("lets the agent set what it does not hand down itself", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, 'echo "$HOME $KUBERNETES_PORT"', { env: { HOME: "/h", KUBERNETES_PORT: "p" } });
      await agent.exited(1);
      assert.equal(agent.output(1).toString(), "/h p\n");
    });

    it("adds what nobody has set, and leaves out what belongs to something that somebody has", async () => {
      const agent = bench.supervise({ WEB_IDENTITY: "file" });
      const fallbacks = [
        { unless: ["ROLE", "WEB_IDENTITY"], env: { LEFT_OUT: "x" } },
        { unless: ["ROLE"], env: { ADDED: "yes", PLAIN: "fallback" } },
      ];
      await agent.startShell(1, 'echo "$LEFT_OUT,$ADDED,$PLAIN"', { env: { PLAIN: "agent" }, fallbacks });
      await agent.exited(1);
      assert.equal(agent.output(1).toString(), ",yes,agent\n");
    });

    it("limits open files before the first instruction", async () => {
      const agent = bench.supervise();
      await agent.startShell(1, "ulimit -Sn; ulimit -Hn", { openFiles: 321 });
      await agent.exited(1);
      assert.equal(agent.output(1).toString(), "321\n321\n");
    });

    it("searches the PATH that the process will have", async () => {
      const agent = bench.supervise();
      bench.file("bin/tool", "#!/bin/sh\necho found\n");
      bench.file("first/tool", "not executable", 0o644);
      const env = { PATH: `${bench.folder}/first:${bench.folder}/bin:/usr/bin:/bin` };
      await agent.start({ process: 1, argv: ["tool"], env });
      assert.equal((await agent.exited(1)).status, 0);
      assert.equal(agent.output(1).toString(), "found\n");
    });

    it("packages-layers-env 13: takes the first candidate that exists and is no directory", async () => {
      const agent = bench.supervise();
      const directory = join(bench.folder, "task/bootstrap");
      mkdirSync(directory, { recursive: true });
      const script = bench.file("opt/bootstrap", '#!/bin/sh\necho "$0 $*"\n');
      const candidates = [
        join(bench.folder, "none"),
        directory,
        script,
        bench.file("later", "#!/bin/sh\necho wrong\n"),
      ];
      await agent.start({ process: 1, argv: ["bootstrap", "a", "b"], candidates });
      await agent.exited(1);
      assert.equal(agent.output(1).toString(), `${script} a b\n`);
      await agent.start({ process: 2, argv: [], candidates });
      await agent.exited(2);
      assert.equal(agent.output(2).toString(), `${script} \n`);
    });

    type Refusal = { request: (at: string) => Partial<StartProcess>; code: StartErrorCode; message: string };
    const refusals: Record<string, Refusal> = {
      "lifecycle 16: no candidate": {
        request: () => ({ candidates: ["/var/task/nowhere/bootstrap", "/opt/nowhere/bootstrap"] }),
        code: "NoCandidate",
        message: "Couldn't find valid bootstrap(s): [/var/task/nowhere/bootstrap /opt/nowhere/bootstrap]",
      },
      "lifecycle 17: a candidate without x bit": {
        request: (at) => ({ candidates: [`${at}/closed`, `${at}/open`] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/closed: permission denied",
      },
      "lifecycle 18: another architecture": {
        request: (at) => ({ argv: [`${at}/foreign`] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/foreign: exec format error",
      },
      "text without an interpreter line": {
        request: (at) => ({ argv: [`${at}/text`] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/text: exec format error",
      },
      "an empty file": {
        request: (at) => ({ argv: [`${at}/empty`] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/empty: exec format error",
      },
      "a missing interpreter": {
        request: (at) => ({ argv: [`${at}/orphan`], openFiles: 1024 }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/orphan: no such file or directory",
      },
      "a missing path": {
        request: (at) => ({ argv: [`${at}/missing`], openFiles: 1024 }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/missing: no such file or directory",
      },
      "a directory as executable": {
        request: (at) => ({ argv: [at] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>: permission denied",
      },
      "a file taken for a directory": {
        request: (at) => ({ argv: [`${at}/open/below`] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/open/below: not a directory",
      },
      "a name that PATH does not know": {
        request: () => ({ argv: ["no-such-program"] }),
        code: "InvalidEntrypoint",
        message: 'exec: "no-such-program": executable file not found in $PATH',
      },
      "an argument with a zero byte": {
        request: (at) => ({ argv: [`${at}/open`, "a\0b"] }),
        code: "InvalidEntrypoint",
        message: "fork/exec <folder>/open: invalid argument",
      },
      "nothing to execute": { request: () => ({ argv: [] }), code: "InvalidEntrypoint", message: "exec: no command" },
      "a missing working directory": {
        request: (at) => ({ argv: ["sh"], workingDirectory: `${at}/missing` }),
        code: "InvalidWorkingDir",
        message: "chdir <folder>/missing: no such file or directory",
      },
      "a file as working directory": {
        request: (at) => ({ argv: ["sh"], workingDirectory: `${at}/open` }),
        code: "InvalidWorkingDir",
        message: "chdir <folder>/open: not a directory",
      },
    };
    for (const [title, { request, code, message }] of Object.entries(refusals)) {
      it(`refuses a start and goes on: ${title}`, async () => {
        bench.file("closed", "#!/bin/sh\n", 0o644);
        bench.file("open", "#!/bin/sh\necho open\n");
        bench.file("foreign", foreignExecutable());
        bench.file("text", "echo no interpreter\n");
        bench.file("empty", "");
        bench.file("orphan", "#!/no/such/interpreter\n");
        const agent = bench.supervise();
        const answer = await agent.start({ process: 1, argv: ["x"], ...request(bench.folder) });
        assert.deepEqual(answer, { process: 1, error: { code, message: message.replace("<folder>", bench.folder) } });
        await agent.start({ process: 2, argv: [join(bench.folder, "open")] });
        assert.equal((await agent.exited(2)).status, 0);
      });
    }
  });
}

/** An ELF header for a processor that does not exist. */
function foreignExecutable(): Buffer {
  const header = Buffer.alloc(4096);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(0x3e7, 18);
  return header;
}

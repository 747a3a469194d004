/** The bench of supervisor tests: a folder and supervisors that end with the test. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SupervisorAgent, type SupervisorCommand } from "./supervisor-agent.ts";

/** What a test works with; everything in it ends with the test. */
export interface SupervisorBench {
  /** A folder of the test's own. */
  readonly folder: string;
  /** `socketMode` opens the agent's folder and socket to a supervisor of another user. */
  supervise(env?: Readonly<Record<string, string>>, socketMode?: number): SupervisorAgent;
  /** Writes a file below the folder, returns its path. */
  file(path: string, content: string | Buffer, mode?: number): string;
}

/** Registers the hooks that make and clear the bench of the surrounding suite. */
export function setUpBench(command: () => SupervisorCommand): SupervisorBench {
  const agents: SupervisorAgent[] = [];
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "supervised-"));
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });
  return {
    get folder(): string {
      return folder;
    },
    supervise: (env = {}, socketMode = 0o700) => {
      const agent = new SupervisorAgent(command(), env, socketMode);
      agents.push(agent);
      return agent;
    },
    file: (path, content, mode = 0o755) => {
      const full = join(folder, path);
      mkdirSync(dirname(full), { recursive: true });
      writeFileSync(full, content);
      chmodSync(full, mode);
      return full;
    },
  };
}

/**
 * Loaded by `node --import` into a process under test: ends it with SIGKILL just before the file system call whose number
 * KILL_AT_STEP says, half-way through when it is a write. Counts what changes files: a kill between two of these is like a kill at the second.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type Call = (...values: unknown[]) => unknown;

const killAtStep = Number(process.env["KILL_AT_STEP"]);
let steps = 0;

function wrap(owner: Record<string, unknown>, name: string): void {
  const original = owner[name] as Call;
  owner[name] = function (this: unknown, ...values: unknown[]): unknown {
    steps++;
    if (steps !== killAtStep) return original.apply(this, values);
    const [data] = values;
    if (name === "write" && data instanceof Uint8Array) {
      fs.writeSync((this as { fd: number }).fd, data, 0, Math.floor(data.length / 2));
    }
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => undefined);
  };
}

const handle = await fs.promises.open(import.meta.filename, "r");
const handlePrototype = Object.getPrototypeOf(handle) as Record<string, unknown>;
await handle.close();
for (const name of ["write", "writeFile", "sync", "truncate"]) wrap(handlePrototype, name);
for (const name of ["open", "rename", "rm", "mkdir"]) wrap(fs.promises, name);
syncBuiltinESMExports();

/** A network namespace with nothing but a loopback: for programs that listen on all addresses, or on ports of their own choice. */
import { spawn } from "node:child_process";
import { once } from "node:events";

const sign = "KUBELAMBDA_BENCH_OWN_NETWORK";

export function hasOwnNetwork(): boolean {
  return process.env[sign] === "1";
}

/** Runs this very command again in there, and answers with its exit status; undefined where our rights do not allow it. */
export async function runAgainInOwnNetwork(): Promise<number | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const script = 'ip link set lo up && exec "$0" "$@"';
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", ["--net", "sh", "-c", script, ...again], {
    stdio: "inherit",
    env: { ...process.env, [sign]: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => child.kill(signal));
  const [status] = (await once(child, "exit")) as [number | null];
  return status ?? 1;
}

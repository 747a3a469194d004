/** The program that stands for a runtime in fleets: it writes down when it runs what. */

export interface FleetRuntimeOptions {
  /** Every run appends its line here. */
  readonly record: string;
  readonly podUid: string;
  /** While there is such a file, its init goes on. */
  readonly holdFile?: string;
}

/** An event `{"ms": n, "id": …}` runs so long; a timeout ends the process in the middle. */
export function fleetRuntime({ record, podUid, holdFile = "" }: FleetRuntimeOptions): string {
  return `#!${process.execPath}
const { appendFileSync, existsSync } = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const env = process.env;
const base = "http://" + env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation/";
const [name, version, podUid] = [env.AWS_LAMBDA_FUNCTION_NAME, env.AWS_LAMBDA_FUNCTION_VERSION, ${JSON.stringify(podUid)}];
const write = (what, id) => appendFileSync(${JSON.stringify(record)}, JSON.stringify({
  what, id, name, version, podUid, pid: process.pid, atMs: Number(process.hrtime.bigint() / 1000n) / 1000,
}) + "\\n");
(async () => {
  while (existsSync(${JSON.stringify(holdFile)})) await sleep(10);
  for (;;) {
    const next = await fetch(base + "next");
    const requestId = next.headers.get("lambda-runtime-aws-request-id");
    const { ms = 0, id = requestId } = await next.json();
    write("begin", id);
    if (ms > 0) await sleep(ms);
    write("end", id);
    await fetch(base + requestId + "/response", { method: "POST", body: JSON.stringify({
      id, name, podUid, pid: process.pid, type: env.AWS_LAMBDA_INITIALIZATION_TYPE,
    }) });
  }
})();
`;
}

/** What Flux (and whatever else uses its library kstatus) takes objects for. */
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";
import { buildGoProgram, kstatus } from "../cluster/go-program.ts";
import { run } from "../cluster/run.ts";

export type HealthStatus = "InProgress" | "Failed" | "Current" | "Terminating" | "NotFound" | "Unknown";

export interface Health {
  readonly status: HealthStatus;
  readonly message: string;
}

const limitMs = 30_000;

/** One answer for each object, in their order. */
export async function healthOf(objects: readonly KubernetesObject[]): Promise<readonly Health[]> {
  const program = await buildGoProgram(kstatus, (line) => void process.stderr.write(`${line}\n`));
  const input = objects.map((object) => `${JSON.stringify(object)}\n`).join("");
  const output = await run(program, [], { input, timeoutMs: limitMs });
  const answers = output.split("\n").filter(Boolean);
  if (answers.length !== objects.length)
    throw new Error(`Cannot read what kstatus says: ${answers.length} answers for ${objects.length} objects`);
  return answers.map((line) => JSON.parse(line) as Health);
}

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { assemble, AssembleError, type AssembleOptions } from "../../runtime-proxy/assemble.ts";

/** Why it fails; it has to, and to leave no download behind. */
export async function failureOf(options: AssembleOptions): Promise<AssembleError> {
  const error: unknown = await assemble(options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AssembleError, `want an AssembleError, got ${String(error)}`);
  const left = (await readdir(options.taskDirectory)).filter((name) => name.startsWith("."));
  assert.deepEqual(left, [], "downloads are left");
  return error;
}

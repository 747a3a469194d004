import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, it } from "mocha";
import { agentNodeOptions, assembleNodeOptions } from "./environment-settings.ts";

describe("Node.js options of an environment's processes", () => {
  const processes = { agent: agentNodeOptions, assemble: assembleNodeOptions };
  for (const [name, options] of Object.entries(processes))
    it(`starts with those of ${name}, and can give memory back`, async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [...options, "-p", "typeof gc"]);
      assert.deepEqual([stdout.trim(), stderr], ["function", ""]);
    });

  it("does not start with one that it does not know", async () => {
    await assert.rejects(promisify(execFile)(process.execPath, ["--v8-pool-sizes=1", "-p", "0"]), { code: 9 });
  });
});

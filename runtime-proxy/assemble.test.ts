import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { assemble } from "./assemble.ts";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";

describe("assemble", () => {
  let kit: TestStore;
  beforeEach(async () => {
    kit = await startTestStore();
  });
  afterEach(async () => await kit.stop());

  it("brings inline code from the store into the task directory", async () => {
    const code = await kit.resolve({
      type: "files",
      files: { "index.mjs": "export const handler = 1;", run: "#!/bin/sh\n" },
    });
    const report = await assemble(await kit.assembleOptions({ code, layers: [] }));
    assert.equal(await readFile(join(kit.taskDirectory, "index.mjs"), "utf8"), "export const handler = 1;");
    assert.equal((await stat(join(kit.taskDirectory, "run"))).mode & 0o777, 0o755);
    assert.equal((await stat(join(kit.taskDirectory, "index.mjs"))).mode & 0o777, 0o644);
    assert.deepEqual(
      report.packages.map(({ name, entries }) => ({ name, entries })),
      [{ name: "code", entries: 2 }],
    );
  });
});

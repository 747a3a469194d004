import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { tokenReader } from "./token-file.ts";

describe("tokenReader", () => {
  let dir: string;
  before(() => (dir = mkdtempSync(join(tmpdir(), "token-"))));
  after(() => rmSync(dir, { recursive: true }));

  it("reads the token that is there now, as the kubelet changes it: by a link in another's place", async () => {
    const path = join(dir, "token");
    const place = (token: string): void => {
      writeFileSync(join(dir, token), token);
      symlinkSync(token, join(dir, "next"));
      renameSync(join(dir, "next"), path);
    };
    place("first");
    const read = tokenReader(path);
    assert.equal(await read(), "first");
    place("second");
    assert.equal(await read(), "second");
  });

  it("rejects when there is none, each time anew", async () => {
    const read = tokenReader(join(dir, "late"));
    await assert.rejects(read(), { code: "ENOENT" });
    writeFileSync(join(dir, "late"), "here");
    assert.equal(await read(), "here");
  });
});

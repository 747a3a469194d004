/** Listing a directory of the container. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { DirectoryListing } from "../../crds/wire/supervisor.ts";
import type { SupervisorBench } from "./supervisor-bench.ts";

export function describeList(bench: SupervisorBench): void {
  describe("listing", () => {
    it("extensions-api 1: lists names in byte order, a link as what it leads to, nothing below", async () => {
      for (const name of ["zebra", "Zebra", "a.sh", "ä", "_b"]) bench.file(join("extensions", name), "");
      mkdirSync(join(bench.folder, "extensions/folder/below"), { recursive: true });
      symlinkSync("folder", join(bench.folder, "extensions/to-folder"));
      symlinkSync("../extensions/a.sh", join(bench.folder, "extensions/to-file"));
      symlinkSync("nowhere", join(bench.folder, "extensions/to-nothing"));
      symlinkSync("extensions", join(bench.folder, "link"));
      const agent = bench.supervise();
      const entries: DirectoryListing["entries"] = [
        { name: "Zebra", isDirectory: false },
        { name: "_b", isDirectory: false },
        { name: "a.sh", isDirectory: false },
        { name: "folder", isDirectory: true },
        { name: "to-file", isDirectory: false },
        { name: "to-folder", isDirectory: true },
        { name: "to-nothing", isDirectory: false },
        { name: "zebra", isDirectory: false },
        { name: "ä", isDirectory: false },
      ];
      assert.deepEqual(await agent.list(join(bench.folder, "extensions")), entries);
      assert.deepEqual(await agent.list(join(bench.folder, "link")), entries);
    });

    it("finds no entries in what is no directory", async () => {
      mkdirSync(join(bench.folder, "empty"));
      execFileSync("mkfifo", [join(bench.folder, "fifo")]);
      const agent = bench.supervise();
      const paths = ["empty", "missing", bench.file("file", ""), "fifo", "file/below", "a\0b"];
      for (const path of paths) assert.deepEqual(await agent.list(join(bench.folder, path)), [], path);
      assert.deepEqual(await agent.list(""), []);
    });

    it("lists 4,096 entries at most", async () => {
      for (let index = 0; index < 4100; index++) bench.file(`many/${String(index).padStart(5, "0")}`, "");
      const listed = await bench.supervise().list(join(bench.folder, "many"));
      assert.equal(listed.length, 4096);
      assert.equal(listed.at(-1)?.name, "04095");
    });

    it("keeps a listing within a frame, whatever has to be escaped", async () => {
      for (let index = 0; index < 1500; index++)
        bench.file(`long/${String(index).padStart(5, "0")}${"\x01".repeat(240)}`, "");
      const agent = bench.supervise();
      const listed = await agent.list(join(bench.folder, "long"));
      assert.ok(listed.length > 500 && listed.length < 1500, `${listed.length} entries`);
      await agent.flush();
    });
  });
}

import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { findExtensionFiles } from "./extension-files.ts";

const file = (path: string) => ({ path, kind: "file" }) as const;
const folder = (path: string) => ({ path, kind: "directory" }) as const;
const link = (path: string) => ({ path, kind: "link" }) as const;

const cases: Record<
  string,
  { entries: Parameters<typeof findExtensionFiles>[0]; links?: Record<string, string>; want: readonly string[] }
> = {
  "none where there is no such folder": { entries: [file("bootstrap"), file("lib/extensions/a")], want: [] },
  "files in byte order": {
    entries: [file("extensions/b.sh"), file("extensions/a"), file("extensions/B"), file("extensions/ä")],
    want: ["B", "a", "b.sh", "ä"],
  },
  "nothing below the folder": {
    entries: [folder("extensions"), folder("extensions/lib"), file("extensions/lib/x"), file("extensions/run")],
    want: ["run"],
  },
  "not a file of the folder's name": { entries: [file("extensions")], want: [] },
  "a link to a file, also one of another layer": {
    entries: [link("extensions/a"), link("extensions/b"), file("bin/tool")],
    links: { "extensions/a": "../bin/tool", "extensions/b": "../bin/elsewhere" },
    want: ["a", "b"],
  },
  "no link to a folder, also one that only its files imply, also by another link": {
    entries: [link("extensions/a"), link("extensions/b"), link("extensions/c"), file("lib/deep/x")],
    links: { "extensions/a": "../lib/deep", "extensions/b": ".././lib//deep/", "extensions/c": "b" },
    want: [],
  },
  "a link that leads in circles": {
    entries: [link("extensions/a"), link("extensions/b")],
    links: { "extensions/a": "b", "extensions/b": "a" },
    want: ["a", "b"],
  },
  "64 at most": {
    entries: Array.from({ length: 70 }, (_, i) => file(`extensions/e${100 + i}`)),
    want: Array.from({ length: 64 }, (_, i) => `e${100 + i}`),
  },
};

describe("extension files of a layer", () => {
  for (const [what, { entries, links = {}, want }] of Object.entries(cases)) {
    it(`are ${what}`, () => {
      assert.deepEqual(findExtensionFiles(entries, new Map(Object.entries(links))), want);
    });
  }
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { PackageError } from "./package-error.ts";
import { LayerTree, type Layer, type LayerEntry } from "./layer-tree.ts";

let offset = 0;
const file = (path: string, mode = 0o644): LayerEntry => ({
  ...{ kind: "file", path, mode },
  content: { offset: offset++, bytes: 1, crc32: 0 },
});
const directory = (path: string, mode = 0o755): LayerEntry => ({ kind: "directory", path, mode });
const link = (path: string, target: string): LayerEntry => ({ kind: "link", path, target });
const hardLink = (path: string, target: string): LayerEntry => ({ kind: "hardLink", path, target });
const layer = (entries: readonly LayerEntry[], more: Partial<Layer> = {}): Layer => ({
  ...{ entries, hidden: [], opaque: [] },
  ...more,
});

function names(layers: readonly Layer[], path = ""): readonly string[] | undefined {
  const tree = new LayerTree();
  for (const each of layers) tree.apply(each);
  return tree.list(path)?.map(([name, node]) => (node.kind === "directory" ? `${name}/` : name));
}

/** Source: OCI image specification 1.1, "Applying Changesets" and "Whiteouts". */
const cases: Record<string, { layers: readonly Layer[]; path?: string; want: readonly string[] | undefined }> = {
  "adds up layers": { layers: [layer([file("a/b")]), layer([file("a/c")])], want: ["a/", "a/b", "a/c"] },
  "lets a whiteout remove a file of a lower layer": {
    layers: [layer([file("a/b"), file("a/c")]), layer([], { hidden: ["a/b"] })],
    want: ["a/", "a/c"],
  },
  "lets a whiteout remove a directory with all in it": {
    layers: [layer([file("a/b/c"), file("d")]), layer([], { hidden: ["a"] })],
    want: ["d"],
  },
  "lets a whiteout leave what its own layer adds, wherever it stands": {
    layers: [layer([file("a")]), layer([file("a")], { hidden: ["a"] })],
    want: ["a"],
  },
  "passes over a whiteout of nothing": { layers: [layer([file("a")], { hidden: ["b/c", "x"] })], want: ["a"] },
  "lets an opaque directory hide what lower layers had in it": {
    layers: [layer([file("a/b"), file("a/c/d")]), layer([file("a/e")], { opaque: ["a"] })],
    want: ["a/", "a/e"],
  },
  "lets a file take a directory's place": { layers: [layer([file("a/b")]), layer([file("a")])], want: ["a"] },
  "lets a directory take a file's place": {
    layers: [layer([file("a")]), layer([directory("a"), file("a/b")])],
    want: ["a/", "a/b"],
  },
  "keeps what is in a directory that is named again": {
    layers: [layer([file("a/b")]), layer([directory("a", 0o700)])],
    want: ["a/", "a/b"],
  },
  "writes through a link to a directory": {
    layers: [layer([directory("usr/lib"), link("lib", "usr/lib")]), layer([file("lib/x")])],
    want: ["lib", "usr/", "usr/lib/", "usr/lib/x"],
  },
  "holds a link that leads up within the tree": {
    layers: [layer([directory("opt"), link("a", "../../opt")]), layer([file("a/x")])],
    want: ["a", "opt/", "opt/x"],
  },
  "takes an absolute link to mean the tree's own root": {
    layers: [layer([directory("opt"), link("b/a", "/opt")]), layer([file("b/a/x")])],
    want: ["b/", "b/a", "opt/", "opt/x"],
  },
  "makes a hard link a file of its own": { layers: [layer([file("a"), hardLink("b", "a")])], want: ["a", "b"] },
  "keeps a hard link when its other name goes": {
    layers: [layer([file("a"), hardLink("b", "a")]), layer([], { hidden: ["a"] })],
    want: ["b"],
  },
  "gives a folder within": {
    layers: [layer([file("opt/bin/x"), file("etc/y")])],
    path: "/opt/",
    want: ["bin/", "bin/x"],
  },
  "has no folder that is not there": { layers: [layer([file("a")])], path: "opt", want: undefined },
  "has no folder that is a file": { layers: [layer([file("a")])], path: "a", want: undefined },
};

describe("layers that are merged", () => {
  for (const [what, { layers, path, want }] of Object.entries(cases)) {
    it(what, () => assert.deepEqual(names(layers, path), want));
  }

  it("refuses a file beneath a file, a hard link to nothing, and links in a circle", () => {
    const refuses = (entries: readonly LayerEntry[], says: RegExp): void => {
      assert.throws(
        () => names([layer(entries)]),
        (error) => error instanceof PackageError && error.code === "InvalidArchive" && says.test(error.message),
      );
    };
    refuses([file("a"), file("a/b")], /"a\/b": it lies beneath something that is no directory/);
    refuses([hardLink("b", "a")], /hard link to "a", which is not there/);
    refuses([directory("a"), hardLink("b", "a")], /hard link to "a", which is a directory/);
    refuses([link("a", "b"), link("b", "a"), file("a/x")], /"a\/x": it lies beneath/);
  });

  it("nests as deep as names can, and hides that again", () => {
    const deep = new Array(2000).fill("d").join("/");
    assert.equal(names([layer([file(`${deep}/f`)])])?.length, 2001);
    assert.deepEqual(names([layer([file(`${deep}/f`)]), layer([], { hidden: ["d"] })]), []);
  });

  it("is the same however the members of a layer are ordered that do not touch each other", () => {
    const paths = fc.uniqueArray(fc.stringMatching(/^[a-c]{1,2}(\/[a-c]{1,2}){0,2}\/f$/), { maxLength: 12 });
    fc.assert(
      fc.property(paths, fc.infiniteStream(fc.nat()), (list, draw) => {
        const shuffled = [...list].map((path) => ({ path, at: Number(draw.next().value) })).sort((a, b) => a.at - b.at);
        assert.deepEqual(
          names([layer(shuffled.map(({ path }) => file(path)))]),
          names([layer(list.map((path) => file(path)))]),
        );
      }),
    );
  });
});

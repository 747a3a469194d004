/** Layers in local mode, with and without namespaces. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { stringify } from "yaml";
import { shellExtension } from "../kit/shell-extension.ts";
import { LocalProcess } from "../kit/local-process.ts";

const apiVersion = "kubelambda.dev/v1alpha1";
const layer = (name: string, files: Readonly<Record<string, string>>): string =>
  stringify({ apiVersion, kind: "Layer", metadata: { name }, spec: { content: { files } } });
const fn = (name: string, spec: object): string =>
  stringify({ apiVersion, kind: "Function", metadata: { name }, spec: { timeout: 10, ...spec } });

const nodeCode = `import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
const require = createRequire(import.meta.url);
export const handler = async () => ({ foo: require("foo"), bar: require("bar"), tool: execFileSync("tool").toString().trim() });`;
const extendedCode = `import { readFileSync, readdirSync } from "node:fs";
const temporary = process.env.TMPDIR ?? "/tmp";
const commands = () => readdirSync("/proc").flatMap((name) => {
  try { return /^[0-9]+$/.test(name) ? [readFileSync("/proc/" + name + "/cmdline", "latin1")] : []; } catch { return []; }
});
const sleep = () => new Promise((resolve) => setTimeout(resolve, 20));
export const handler = async () => {
  const read = (name) => readFileSync(temporary + "/" + name + ".seen", "utf8");
  for (let i = 0; i < 250 && !["a.sh", "b.sh"].every((name) => read(name).includes("INVOKE")); i++) await sleep();
  return { seen: ["a.sh", "b.sh"].map(read), root: process.env.LAMBDA_TASK_ROOT, sees: commands().some((text) => text.includes("extensions/a.sh")) };
};`;
const pythonCode = "import foo\ndef handler(event, context):\n    return foo.word\n";

for (const [name, args] of Object.entries({
  "with what the kernel grants": [],
  "without namespaces": ["--no-namespaces"],
})) {
  describe(`local mode's layers ${name}`, function () {
    this.timeout(120_000);
    const local = new LocalProcess(...args);
    const modules = "nodejs/node_modules";

    before(async () => {
      const one = {
        [`${modules}/foo/index.js`]: "module.exports = 'one'",
        [`${modules}/bar/index.js`]: "module.exports = 'bar'",
      };
      local.write("one.yaml", layer("one", { ...one, "bin/tool": "#!/bin/sh\necho tool" }));
      local.write("two.yaml", layer("two", { [`${modules}/foo/index.js`]: "module.exports = 'two'" }));
      local.write("python.yaml", layer("words", { "python/foo.py": "word = 'from the layer'" }));
      const node = { runtime: "nodejs24.x", handler: "index.handler", code: { files: { "index.mjs": nodeCode } } };
      local.write("node.yaml", fn("node", { ...node, layers: ["one", "two"] }));
      local.write("late.yaml", fn("late", { ...node, layers: ["two", "one", "missing"] }));
      const python = { runtime: "python3.11", handler: "app.handler", code: { files: { "app.py": pythonCode } } };
      local.write("app.yaml", fn("python", { ...python, layers: ["words:1"] }));
      const files = { "extensions/b.sh": shellExtension("b.sh"), "extensions/a.sh": shellExtension("a.sh") };
      local.write("agents.yaml", layer("agents", files));
      const extended = { ...node, code: { files: { "index.mjs": extendedCode } } };
      local.write("extended.yaml", fn("extended", { ...extended, layers: ["agents"] }));
      await local.start("node", "python", "extended");
    });
    after(async () => {
      const { status, left } = await local.stop();
      assert.deepEqual({ status, left }, { status: 0, left: [] });
    });

    it("packages 6, 7, 34: layers merge, the later wins, modules and programs are found (Node.js)", async () => {
      const { status, body } = await local.invoke("node", {});
      assert.equal(status, 200, body);
      assert.deepEqual(JSON.parse(body), { foo: "two", bar: "bar", tool: "tool" });
    });

    it("packages 34: a layer's module is imported (Python)", async () => {
      const { status, body } = await local.invoke("python", {});
      assert.deepEqual([status, body], [200, '"from the layer"']);
    });

    it("extensions 1, 2: each extension of a layer runs, apart where the kernel grants it, and is told of an invocation", async () => {
      const { status, body } = await local.invoke("extended", {});
      assert.equal(status, 200, body);
      const { seen, root, sees } = JSON.parse(body) as { seen: string[]; root: string; sees: boolean };
      for (const text of seen) assert.match(text, /^\d+ registered\nINVOKE\n$/);
      if (root === "/var/task") assert.ok(!sees, "no process of an extension is seen");
      await local.until(() => local.output.includes("a.sh saw an event") && local.output.includes("b.sh saw an event"));
    });

    it("runs with a new version of a layer after a change", async () => {
      local.write("two.yaml", layer("two", { [`${modules}/foo/index.js`]: "module.exports = 'three'" }));
      await local.until(async () => (await local.invoke("node", {})).body.includes('"foo":"three"'));
    });

    it("waits for a layer that is missing, and runs when it comes", async () => {
      assert.equal((await local.invoke("late", {})).status >= 400, true);
      local.write("missing.yaml", layer("missing", { "a.txt": "" }));
      await local.until(async () => (await local.invoke("late", {})).body.includes('"foo":"one"'));
    });
  });
}

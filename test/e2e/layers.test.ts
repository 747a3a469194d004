import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { LayerObject, LayerSpecInput } from "../../crds/v1alpha1/layer.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { zipBytes, type ZipEntryDraft } from "../kit/zip-bytes.ts";
import { shellExtension } from "../kit/shell-extension.ts";
import { nodeFunction, Space } from "./space.ts";

const executable = 0o100755;
const link = (name: string, content: string): ZipEntryDraft => ({ name, content, mode: 0o120777 });

/** A zip with its modes, as base64. */
function zipFile(...entries: readonly ZipEntryDraft[]): string {
  return zipBytes(entries).toString("base64");
}

/** Runs what the event says, inside of the function. */
const obeying = `import { createRequire } from "node:module";
const AsyncFunction = (async () => {}).constructor;
export const handler = async ({ source, input }) =>
  (await new AsyncFunction("require", "input", source)(createRequire("/var/task/"), input)) ?? null;`;

/** Answers with the folder that its bootstrap lies in and with where it was started. */
const bootstrap = (word: string): string => `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  id="$(curl -sS -o /dev/null -D - "$api/next" | sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *\\([^[:space:]]*\\).*/\\1/p')"
  curl -sS -o /dev/null -d "\\"${word} $0 $(pwd)\\"" "$api/$id/response"
done`;

const modules = "nodejs/node_modules";

describe("functions with layers", () => {
  let space: Space;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-layers");
  });
  after(async () => {
    await space.close();
  });

  async function applyLayer(name: string, spec: LayerSpecInput): Promise<void> {
    await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name }, spec });
  }

  async function serveLayer(name: string, spec: LayerSpecInput): Promise<void> {
    await applyLayer(name, spec);
    await space.kubectl("wait", "--for=condition=Ready", `layer/${name}`, "--timeout=60s");
  }

  async function getLayer(name: string): Promise<LayerObject> {
    return JSON.parse(await space.kubectl("get", "layer", name, "-o", "json")) as LayerObject;
  }

  async function inside(name: string, source: string, input: unknown = null): Promise<unknown> {
    return await space.call(name, { source, input });
  }

  const read = `const { readFileSync } = require("node:fs");
    return input.map((path) => { try { return readFileSync(path, "utf8"); } catch ({ code }) { return code; } });`;

  it("packages 2, 3, 5, 6, 7: layers merge in order, the later wins, modes and links are kept", async () => {
    await applyLayer("one", {
      content: {
        zipFile: zipFile(
          { name: "a.txt", content: "one" },
          { name: `${modules}/foo/index.js`, content: "module.exports = 'foo of one'" },
          { name: `${modules}/bar/index.js`, content: "module.exports = 'bar of one'" },
          { name: "bin/tool", content: "#!/bin/sh\necho tool $(basename $0)", mode: executable },
          { name: "secret.txt", content: "closed", mode: 0o100600 },
          { name: "lib/libx.so.1", content: "library" },
          link("lib/libx.so", "libx.so.1"),
        ),
      },
    });
    await applyLayer("two", {
      content: { files: { "a.txt": "two", [`${modules}/foo/index.js`]: "module.exports = 'foo of two'" } },
    });
    await space.serve("merged", nodeFunction(obeying, { layers: ["one", "two"] }));
    const files = ["/opt/a.txt", "/opt/lib/libx.so", "/opt/secret.txt"];
    assert.deepEqual(await inside("merged", read, files), ["two", "library", "EACCES"]);
    const source = `const tool = require("node:child_process").execFileSync("tool").toString().trim();
      return { foo: require("foo"), bar: require("bar"), tool };`;
    assert.deepEqual(await inside("merged", source), { foo: "foo of two", bar: "bar of one", tool: "tool tool" });
    await space.serve("turned", nodeFunction(obeying, { layers: ["two", "one"] }));
    assert.deepEqual(await inside("turned", read, ["/opt/a.txt"]), ["one"]);
  });

  it("packages 34: Python imports a layer's module, also from its site-packages", async () => {
    const site = "python/lib/python3.11/site-packages";
    await applyLayer("words", {
      content: { files: { "python/foo.py": "word = 'foo'", [`${site}/bar.py`]: "word = 'bar'" } },
    });
    const code = "import foo, bar\ndef handler(event, context):\n    return [foo.word, bar.word]\n";
    await space.serve("python", {
      runtime: "python3.11",
      handler: "app.handler",
      code: { files: { "app.py": code } },
      layers: ["words"],
    });
    assert.deepEqual(await space.call("python", {}), ["foo", "bar"]);
  });

  it("packages 10, 11, 13: the package's bootstrap runs before a layer's, a folder of that name is none", async () => {
    await serveLayer("boot", { content: { files: { bootstrap: bootstrap("layer") } } });
    const spec = { runtime: "provided.al2023", handler: "x", layers: ["boot"] };
    await space.serve("both", { ...spec, code: { files: { bootstrap: bootstrap("package") } } });
    await space.serve("layer-only", { ...spec, code: { files: { "other.txt": "" } } });
    await space.serve("folder", { ...spec, code: { zipFile: zipFile({ name: "bootstrap/", mode: 0o040755 }) } });
    assert.equal(await space.call("both", {}), "package /var/task/bootstrap /var/task");
    assert.equal(await space.call("layer-only", {}), "layer /opt/bootstrap /var/task");
    assert.equal(await space.call("folder", {}), "layer /opt/bootstrap /var/task");
  });

  it("a new version of a layer reaches the function that names it without one, and no other", async () => {
    await serveLayer("moving", { content: { files: { "a.txt": "1" } } });
    await space.serve("newest", nodeFunction(obeying, { layers: ["moving"] }));
    await space.serve("pinned", nodeFunction(obeying, { layers: ["moving:1"] }));
    assert.deepEqual(await inside("newest", read, ["/opt/a.txt"]), ["1"]);
    await applyLayer("moving", { content: { files: { "a.txt": "2" } } });
    await waitUntil({ what: "the new version", timeoutMs: 60_000, everyMs: 250 }, async () => {
      assert.deepEqual(await inside("newest", read, ["/opt/a.txt"]), ["2"]);
      return true;
    });
    assert.deepEqual(await inside("pinned", read, ["/opt/a.txt"]), ["1"]);
    assert.equal((await getLayer("moving")).status?.latestVersion, 2);
  });

  it("control-api 23, 24: a deleted layer's functions go on, in new environments too, and its numbers are not given again", async () => {
    await serveLayer("gone", { content: { files: { "a.txt": "kept" } } });
    await space.serve("survivor", nodeFunction(obeying, { layers: ["gone"] }));
    await space.kubectl("delete", "layer", "gone", "--wait");
    await space.waitCondition("survivor", "LayersResolved", ({ reason }) => reason === "LayersKept");
    assert.deepEqual(await inside("survivor", read, ["/opt/a.txt"]), ["kept"]);
    await space.applyFunction("survivor", nodeFunction(`${obeying}\n// changed`, { layers: ["gone"] }));
    await space.waitReady("survivor");
    assert.deepEqual(await inside("survivor", read, ["/opt/a.txt"]), ["kept"]);
    await serveLayer("gone", { content: { files: { "a.txt": "kept" } } });
    assert.equal((await getLayer("gone")).status?.latestVersion, 2);
  });

  describe("that bring extensions", () => {
    async function podOf(name: string): Promise<{ readonly name: string; readonly pod: PodWithSpec }> {
      const pods = JSON.parse(
        await space.kubectl("get", "pods", "-l", "kubelambda.dev/component=environment", "-o", "json"),
      ) as { readonly items: readonly PodWithSpec[] };
      const pod = pods.items.find(({ metadata }) => metadata.annotations["kubelambda.dev/function-name"] === name);
      assert.ok(pod !== undefined, `function "${name}" has a pod`);
      return { name: pod.metadata.name, pod };
    }

    it("each runs in a container of its own, and sees nothing of the others' processes (extensions-api 1, 2)", async () => {
      await applyLayer("agents", {
        content: {
          files: { "extensions/zeta": shellExtension("zeta"), "extensions/alpha.sh": shellExtension("alpha.sh") },
        },
      });
      await space.serve("extended", nodeFunction(obeying, { layers: ["agents"], timeout: 20 }));
      const seen = `const { readFileSync, readdirSync } = require("node:fs");
        const read = (name) => { try { return readFileSync("/tmp/" + name + ".seen", "utf8"); } catch { return ""; } };
        for (let i = 0; i < 500 && !input.every((name) => read(name).endsWith("INVOKE\\n")); i++)
          await new Promise((resolve) => setTimeout(resolve, 20));
        return input.map((name) => read(name).replace(/^[0-9]+ /, ""));`;
      const names = ["alpha.sh", "zeta"];
      assert.deepEqual(
        await inside("extended", seen, names),
        names.map(() => "registered\nINVOKE\n"),
      );
      const { name, pod } = await podOf("extended");
      // It has answered before its status says that it runs, and the kubelet gives no logs until then.
      await space.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=30s");
      assert.deepEqual(JSON.parse(pod.metadata.annotations["kubelambda.dev/extensions"] ?? ""), {
        "alpha.sh": "/run/kubelambda/extension-1/agent.sock",
        zeta: "/run/kubelambda/extension-2/agent.sock",
      });
      assert.ok(pod.spec.resources?.limits?.["memory"] !== undefined, "one limit over all containers");
      const exec = async (container: string, ...command: readonly string[]): Promise<string> =>
        (await space.kubectl("exec", name, "-c", container, "--", ...command)).trim();
      const list = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done";
      for (const [index, file] of names.entries()) {
        const container = `extension-${index + 1}`;
        const [supervisor, ...programs] = (await exec(container, "sh", "-c", list)).split("\n");
        assert.equal(supervisor?.trim(), `/run/kubelambda/${container}/supervisor`);
        assert.ok(
          programs.some((program) => program.includes(`/opt/extensions/${file}`)),
          programs.join("; "),
        );
        const others = [...names.filter((other) => other !== file), "index.handler"];
        assert.ok(!programs.some((program) => others.some((other) => program.includes(other))), programs.join("; "));
        assert.equal(await exec(container, "sh", "-c", "echo /run/kubelambda/*"), `/run/kubelambda/${container}`);
        assert.equal(await exec(container, "id", "-u"), "10002");
        await assert.rejects(exec(container, "sh", "-c", "echo x > /opt/x"), /Read-only file system/);
        assert.match(await space.kubectl("logs", name, "-c", container), new RegExp(`^${file} saw an event$`, "m"));
      }
      const own = await exec("runtime", "sh", "-c", list);
      assert.doesNotMatch(own, /opt\/extensions/);
    });
  });
});

interface PodWithSpec {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly resources?: { readonly limits?: Readonly<Record<string, string>> } };
}

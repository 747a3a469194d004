import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { LayerObject, LayerSpecInput } from "../../crds/v1alpha1/layer.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { zipBytes, type ZipEntryDraft } from "../kit/zip-bytes.ts";
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
    const extension = "#!/bin/sh\nexec sleep 1000000\n";

    async function podOf(name: string): Promise<{ readonly name: string; readonly pod: PodWithSpec }> {
      const pods = JSON.parse(
        await space.kubectl("get", "pods", "-l", "kubelambda.dev/component=environment", "-o", "json"),
      ) as { readonly items: readonly PodWithSpec[] };
      const pod = pods.items.find(({ metadata }) => metadata.annotations["kubelambda.dev/function-name"] === name);
      assert.ok(pod !== undefined, `function "${name}" has a pod`);
      return { name: pod.metadata.name, pod };
    }

    it("each has a container of its own, into which assemble put the supervisor, and sees nothing of the others", async () => {
      await applyLayer("agents", {
        content: { files: { "extensions/zeta": extension, "extensions/alpha.sh": extension } },
      });
      await space.applyFunction("extended", nodeFunction(obeying, { layers: ["agents"], timeout: 20 }));
      await space.waitReady("extended");
      const called = space.invoke("extended", { source: "return 1" });
      const { name } = await waitUntil({ what: "its containers to run", timeoutMs: 60_000, everyMs: 200 }, async () => {
        const found = await podOf("extended");
        const running = found.pod.status.containerStatuses?.filter(({ state }) => state.running !== undefined) ?? [];
        assert.deepEqual(
          running.map((status) => status.name).sort(),
          ["agent", "extension-1", "extension-2", "runtime"],
          JSON.stringify(found.pod.status.containerStatuses),
        );
        return found;
      });
      const { pod } = await podOf("extended");
      assert.deepEqual(JSON.parse(pod.metadata.annotations["kubelambda.dev/extensions"] ?? ""), {
        "alpha.sh": "/run/kubelambda/extension-1/agent.sock",
        zeta: "/run/kubelambda/extension-2/agent.sock",
      });
      assert.ok(pod.spec.resources?.limits?.["memory"] !== undefined, "one limit over all containers");
      const exec = async (container: string, ...command: readonly string[]): Promise<string> =>
        (await space.kubectl("exec", name, "-c", container, "--", ...command)).trim();
      for (const n of [1, 2]) {
        const container = `extension-${n}`;
        assert.equal(
          await exec(container, "sh", "-c", "echo /run/kubelambda/*/supervisor"),
          `/run/kubelambda/${container}/supervisor`,
        );
        assert.equal(
          await exec(container, "sh", "-c", "ls /opt/extensions; cat /var/task/index.mjs | head -1 | cut -c1-6"),
          "alpha.sh\nzeta\nimport",
        );
        const programs = await exec(
          container,
          "sh",
          "-c",
          "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done",
        );
        assert.match(programs, new RegExp(`^/run/kubelambda/${container}/supervisor `));
        assert.doesNotMatch(programs, new RegExp(`bootstrap|index\\.handler|extension-[^${n}]`));
        assert.equal(await exec(container, "id", "-u"), "10002");
        await assert.rejects(exec(container, "sh", "-c", "echo x > /opt/x"), /Read-only file system/);
      }
      await exec("extension-1", "sh", "-c", "echo shared > /tmp/of-extension");
      assert.equal(await exec("runtime", "cat", "/tmp/of-extension"), "shared");
      await called;
    });
  });
});

interface PodWithSpec {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly resources?: { readonly limits?: Readonly<Record<string, string>> } };
  readonly status: {
    readonly containerStatuses?: readonly { readonly name: string; readonly state: { readonly running?: object } }[];
  };
}

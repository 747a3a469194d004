/** The trees of gitops/ as their users deliver them: Helm, and kubectl apply -k in any order. */
import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";
import { waitUntil } from "../cluster/wait-until.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { Space } from "./space.ts";

const chart = "gitops/helm";
const overlay = "gitops/kustomize/overlays/production";
/** All that a namespace can have of ours or of the trees'. */
const everything =
  "pods,controllerrevisions,configmaps,secrets,services,functions.kubelambda.dev,versions.kubelambda.dev,aliases.kubelambda.dev,layers.kubelambda.dev,eventsourcemappings.kubelambda.dev";
/** What stays: the cluster's own, and the numbers that are never given twice. */
const staying = new Set(["configmap/kube-root-ca.crt", "configmap/kubelambda-ledger"]);

/** As delivery tools mark what they apply. Sources: documentation of Argo CD (resource tracking), Flux (inventory), Helm. */
const marks = {
  labels: {
    "app.kubernetes.io/instance": "shop",
    "app.kubernetes.io/managed-by": "Helm",
    "kustomize.toolkit.fluxcd.io/name": "shop",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    "helm.toolkit.fluxcd.io/name": "shop",
    "helm.toolkit.fluxcd.io/namespace": "flux-system",
    "argocd.argoproj.io/instance": "shop",
  },
  annotations: { "argocd.argoproj.io/tracking-id": "shop:kubelambda.dev/Function:e2e/hello" },
};

const pruning = /argoproj|fluxcd|helm[.]sh|app[.]kubernetes[.]io|last-applied-configuration|kustomize/;

interface Listed {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

describe("the trees for delivery", () => {
  let space: Space;

  async function listed(): Promise<readonly Listed[]> {
    const { items } = JSON.parse(await space.kubectl("get", everything, "-o", "json")) as { items: readonly Listed[] };
    return items.filter(({ kind, metadata }) => {
      // Helm keeps its releases in Secrets.
      const isRelease = kind === "Secret" && metadata.name.startsWith("sh.helm.release.");
      return !isRelease && !staying.has(`${kind.toLowerCase()}/${metadata.name}`);
    });
  }

  async function untilNothingIsLeft(): Promise<void> {
    await waitUntil({ what: "everything to go", timeoutMs: 60_000, everyMs: 250 }, async () => {
      const left = (await listed()).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      if (left.length > 0) throw new Error(`left are ${left.join(" ")}`);
      return true;
    });
  }

  async function ready(...names: readonly string[]): Promise<void> {
    await space.kubectl("wait", "--for=condition=Ready", ...names, "--timeout=90s");
  }

  async function untilSays(name: string, wanted: object | string): Promise<void> {
    await waitUntil({ what: `the answer of ${name}`, timeoutMs: 30_000, everyMs: 250 }, async () => {
      assert.deepEqual(await space.call(name, { name: "Ada" }), wanted);
      return true;
    });
  }

  describe("with Helm", () => {
    const shop = ["fn/hello", "fn/greeter", "layer/words", "alias/hello-live", "alias/greeter-live"];

    before(async function () {
      this.timeout(240_000);
      space = await Space.open("e2e-gitops");
    });
    after(() => space.close("wait"));

    async function helm(...args: readonly string[]): Promise<string> {
      return await space.system.helm([...args, "--namespace", space.name], { timeoutMs: 120_000 });
    }

    it("a release is installed, all of it gets ready, and its aliases answer", async () => {
      const values = JSON.stringify(marks);
      const args = ["install", "shop", chart, "--set", "eventSource=true", "--values", "-", "--namespace", space.name];
      await space.system.helm(args, { input: values, timeoutMs: 120_000 });
      await ready(...shop, "version/hello-v1");
      assert.deepEqual(await space.call("hello:live", {}), { text: "Hello, world", release: "v1", version: "1" });
      assert.equal(await space.call("greeter:live", { name: "Ada" }), "Good day, Ada");
      const mapping = JSON.parse(await space.kubectl("get", "esm", "orders", "-o", "json")) as {
        status: { conditions: readonly { type: string; status: string; reason: string }[] };
      };
      const told = mapping.status.conditions.find(({ type }) => type === "Ready");
      assert.deepEqual([told?.status, told?.reason], ["False", "NotServed"]);
    });

    it("what comes of it carries none of the marks by which Helm, Argo CD and Flux prune", async () => {
      const applied = parseAllDocuments(await helm("get", "manifest", "shop")).map((each) => each.toJS() as Listed);
      const names = new Set(applied.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
      const children = (await listed()).filter(({ kind, metadata }) => !names.has(`${kind}/${metadata.name}`));
      const kinds = new Set(children.map(({ kind }) => kind));
      assert.deepEqual([...kinds].sort(), ["ControllerRevision", "Pod", "Version"]);
      for (const { kind, metadata } of children) {
        const keys = [...Object.keys(metadata.labels ?? {}), ...Object.keys(metadata.annotations ?? {})];
        assert.deepEqual(
          keys.filter((key) => pruning.test(key)),
          [],
          `${kind}/${metadata.name}`,
        );
      }
    });

    it("an upgrade publishes a version of each function, is waited for by Helm, and is served", async () => {
      const content = "export const handler = async () => 'Good night';";
      const zip = zipBytes([{ name: "index.mjs", content }]).toString("base64");
      const values = [
        "--reset-then-reuse-values",
        "--set",
        `release=v2,eventSource=false,greeterZip=${zip.replaceAll(",", "\\,")}`,
      ];
      await helm("upgrade", "shop", chart, ...values, "--wait=watcher", "--timeout", "90s");
      await ready(...shop, "version/hello-v2");
      await untilSays("hello:live", { text: "Hello, Ada", release: "v2", version: "2" });
      await untilSays("greeter:live", "Good night");
    });

    it("a rollback is served, under numbers of its own", async () => {
      await helm("rollback", "shop", "1");
      await untilSays("hello:live", { text: "Hello, Ada", release: "v1", version: "3" });
      await untilSays("greeter:live", "Good day, Ada");
      await ready(...shop, "version/hello-v1");
    });

    it("an uninstall hangs nowhere and leaves nothing", async () => {
      await helm("uninstall", "shop", "--wait", "--timeout", "60s");
      await untilNothingIsLeft();
    });
  });

  describe("with Kustomize", () => {
    const shop = [
      "fn/shop-hello",
      "fn/shop-greeter",
      "layer/shop-words",
      "version/shop-hello-v1",
      "alias/shop-hello-live",
    ];

    before(async function () {
      this.timeout(240_000);
      space = await Space.open("e2e-kustomize");
    });
    after(() => space.close("wait"));

    for (const order of ["random", "another random"]) {
      it(`applied one by one in ${order} order, all of it gets ready and answers`, async () => {
        const documents = parseAllDocuments(await space.kubectl("kustomize", overlay)).map(
          (each) => each.toJS() as Listed,
        );
        const shuffled = documents
          .map((document) => ({ document, rank: Math.random() }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ document }) => document);
        const names = shuffled.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(" ");
        for (const document of shuffled) await space.apply(document);
        await ready(...shop).catch((error: unknown) => {
          throw new Error(`in the order ${names}`, { cause: error });
        });
        const executed = await space.call("shop-hello:live", { name: "Ada" });
        assert.match(JSON.stringify(executed), /^\{"text":"Hello, Ada","release":"v1","version":"[1-9]"\}$/);
        await untilSays("shop-greeter:live", "Good day, Ada");
        if (order === "random") {
          await space.kubectl("delete", "-k", overlay, "--timeout=60s");
          await untilNothingIsLeft();
        }
      });
    }

    it("applied again as a whole, nothing changes", async () => {
      const before = await listed();
      const output = await space.kubectl("apply", "-k", overlay);
      // Of binaryData kubectl says "configured" each time: it compares the base64 text.
      const ours = output.split("\n").filter((line) => line.includes(".kubelambda.dev/"));
      assert.deepEqual(
        ours.filter((line) => !line.endsWith(" unchanged")),
        [],
      );
      assert.equal(ours.length, 6);
      const names = (all: readonly Listed[]): readonly string[] =>
        all.map(({ kind, metadata }) => `${kind}/${metadata.name}`).sort();
      assert.deepEqual(names(await listed()), names(before));
    });

    it("deleted as a whole, it hangs nowhere and leaves nothing", async () => {
      await space.kubectl("delete", "-k", overlay, "--timeout=60s");
      await untilNothingIsLeft();
    });
  });
});

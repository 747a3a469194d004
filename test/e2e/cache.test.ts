import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { waitUntil } from "../cluster/wait-until.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { installNamespace } from "./fixture.ts";
import { Space, nodeFunction } from "./space.ts";

/** Of which the bytes that the store has served are told apart. */
const ballastBytes = 100_000;
const source = `export const handler = async () => { await new Promise((resolve) => setTimeout(resolve, 3000)); return "ok"; };`;

describe("a cache on the node", () => {
  let space: Space;
  before(async function () {
    this.timeout(600_000);
    space = await Space.open("e2e-cache");
  });
  after(async () => await space.close());

  const kubectl = async (...args: readonly string[]): Promise<string> =>
    await space.system.kubectl(["-n", installNamespace, ...args]);

  /** A counter of the only pod of a component, through the API server. */
  async function metric(component: string, name: string): Promise<number> {
    const of = ["-l", `app.kubernetes.io/component=${component}`, "--field-selector=status.phase=Running"];
    const pod = await kubectl("get", "pods", ...of, "-o", "jsonpath={.items[0].metadata.name}");
    const text = await space.system.kubectl([
      "get",
      "--raw",
      `/api/v1/namespaces/${installNamespace}/pods/${pod}:9090/proxy/metrics`,
    ]);
    return Number(new RegExp(`^${name} ([0-9.e+]+)$`, "m").exec(text)?.[1] ?? 0);
  }
  const served = (): Promise<number> => metric("packages", "kubelambda_packages_served_bytes_total");

  async function serve(name: string): Promise<void> {
    const zip = zipBytes([
      { name: "index.mjs", content: source },
      { name: "ballast", content: randomBytes(ballastBytes), method: 0 },
    ]);
    await space.serve(name, nodeFunction("", { code: { zipFile: zip.toString("base64") }, timeout: 30 }));
  }

  it("is a restricted pod without any credentials, and whoever is on its node reaches it", async () => {
    await kubectl("rollout", "status", "daemonset/kubelambda-cache", "--timeout=60s");
    const pod = JSON.parse(await kubectl("get", "pods", "-l", "app.kubernetes.io/component=cache", "-o", "json")) as {
      readonly items: readonly { readonly spec: { readonly volumes: readonly object[] } }[];
    };
    assert.equal(pod.items.length, 1);
    assert.deepEqual(
      pod.items[0]?.spec.volumes.map((volume) => Object.keys(volume).filter((key) => key !== "name")).flat(),
      ["emptyDir", "emptyDir"],
    );
    const account = `system:serviceaccount:${installNamespace}:kubelambda-cache`;
    for (const [verb, resource] of [
      ["get", "pods"],
      ["get", "secrets"],
      ["list", "functions.kubelambda.dev"],
    ] as const)
      await assert.rejects(space.system.kubectl(["auth", "can-i", verb, resource, "-A", "--as", account]), /no/);
    assert.equal(
      await kubectl("get", "service", "kubelambda-cache", "-o", "jsonpath={.spec.internalTrafficPolicy}"),
      "Local",
    );
  }).timeout(90_000);

  it("has the store serve nothing for the second environment of the node", async () => {
    await serve("twice");
    const before = await served();
    await space.call("twice", {});
    const first = (await served()) - before;
    assert.ok(first >= ballastBytes && first < 2 * ballastBytes, `${first} bytes for the first`);
    await Promise.all([space.call("twice", {}), space.call("twice", {}), space.call("twice", {})]);
    assert.ok((await space.pods()).length >= 2);
    assert.equal((await served()) - before, first);
    assert.ok((await metric("cache", "kubelambda_cache_served_bytes_total")) >= 2 * ballastBytes);
  }).timeout(120_000);

  it("is missed by nobody when it is gone, and again there when it is back", async () => {
    // On no node: packets to its Service are dropped.
    const nowhere = { spec: { template: { spec: { nodeSelector: { "kubelambda.dev/none": "here" } } } } };
    await kubectl("patch", "daemonset", "kubelambda-cache", "--type=merge", "-p", JSON.stringify(nowhere));
    await waitUntil({ what: "the cache's pod to go", timeoutMs: 60_000, everyMs: 500 }, async () => {
      const pods = await kubectl("get", "pods", "-l", "app.kubernetes.io/component=cache", "-o", "name");
      return pods === "" ? true : undefined;
    });
    await serve("without");
    const before = await served();
    assert.equal(await space.call("without", {}), "ok");
    assert.ok((await served()) - before >= ballastBytes);
    await kubectl(
      "patch",
      "daemonset",
      "kubelambda-cache",
      "--type=json",
      "-p",
      JSON.stringify([{ op: "remove", path: "/spec/template/spec/nodeSelector" }]),
    );
    await kubectl("rollout", "status", "daemonset/kubelambda-cache", "--timeout=60s");
    await serve("back");
    assert.equal(await space.call("back", {}), "ok");
    assert.ok((await metric("cache", "kubelambda_cache_fetched_bytes_total")) >= ballastBytes);
  }).timeout(240_000);
});

import assert from "node:assert/strict";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace, progress, release, system } from "./fixture.ts";
import { nodeFunction, Space } from "./space.ts";

const kept = [
  "aliases.kubelambda.dev",
  "eventsourcemappings.kubelambda.dev",
  "functions.kubelambda.dev",
  "layers.kubelambda.dev",
  "versions.kubelambda.dev",
];

describe("helm uninstall", () => {
  let space: Space;
  before(async () => {
    space = await Space.open("e2e-uninstall");
    await space.serve("kept", nodeFunction("export const handler = async () => 1;"));
    await space.serve("cold", nodeFunction("export const handler = async () => 2;"));
    assert.equal(await space.call("kept", {}), 1);
  });
  after(async () => {
    await space.close();
  });

  it("takes everything away but the CustomResourceDefinitions and the functions, which work after the next install", async () => {
    const { kubectl, helm, install } = await system();
    await helm(["uninstall", release, "-n", installNamespace, "--wait", "--timeout", "60s"], { timeoutMs: 90_000 });
    const crds = await kubectl(["get", "crds", "-o", "jsonpath={.items[*].metadata.name}"]);
    assert.deepEqual(
      crds.split(" ").filter((name) => name.endsWith(".kubelambda.dev")),
      kept,
    );
    const ours = ["-l", `app.kubernetes.io/instance=${release}`, "-o", "name"];
    const kinds = "deployments,statefulsets,services,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,pdb";
    assert.equal(await kubectl(["get", kinds, "-n", installNamespace, ...ours]), "");
    assert.equal(await kubectl(["get", "clusterroles,clusterrolebindings", ...ours]), "");
    await waitUntil({ what: "all pods of the release to end", timeoutMs: 60_000, everyMs: 500 }, async () =>
      (await kubectl(["get", "pods", "-n", installNamespace, ...ours])) === "" ? true : undefined,
    );
    assert.equal((await space.getFunction("kept")).status?.state, "Active");
    await install();
    // One has an environment, which serves on; the code of the other has gone with the store's volume.
    for (const [name, answer] of Object.entries({ kept: 1, cold: 2 })) {
      const beganMs = performance.now();
      await waitUntil({ what: `function "${name}" to answer again`, timeoutMs: 60_000, everyMs: 250 }, async () =>
        (await space.call(name, {})) === answer ? true : undefined,
      );
      progress(`${name}: first answer ${Math.round(performance.now() - beganMs)} ms after the install`);
    }
  });
});

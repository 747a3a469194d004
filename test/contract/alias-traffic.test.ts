/** How an alias splits its calls, whichever of several routers takes them, and what a call sees of a change. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { RouterWorld } from "../kit/router-world.ts";

const versions = [1, 2, 3, 4];
/** Chi-square with one degree of freedom is larger in one of 100,000 runs; the draws' seed is fixed. */
const leastLikely = 19.5;

describe("traffic of an alias over 3 routers", () => {
  let world: RouterWorld;

  before(async () => {
    world = new RouterWorld();
    world.draw = seededRandom(20_261_126);
    await world.startRouters(3, { KUBELAMBDA_REQUESTS_PER_CONCURRENCY: 0 });
    const hello = await world.addFunction({ name: "hello" });
    for (const version of versions) {
      const metadata = { name: `hello-${version}`, namespace: "default" };
      await world.store.create({
        ...{ apiVersion: API_VERSION, kind: "Version", metadata, spec: { functionName: "hello" } },
      });
      const status = { version, revisionID: `v${version}`, timeout: 3 };
      await world.store.patch({ kind: versionKind, ...metadata }, { status }, { subresource: "status" });
      for (let n = 0; n < 3; n += 1) {
        const agent = await world.addEnvironment(hello, `v${version}`);
        agent.script = () => ({ body: "{}", headers: { "x-amz-executed-version": String(version) } });
      }
    }
    const metadata = { name: "live", namespace: "default" };
    const spec = { name: "live", functionName: "hello", functionVersion: "1" };
    await world.store.create({ apiVersion: API_VERSION, kind: "Alias", metadata, spec });
  });
  after(() => world.close());

  async function point(functionVersion: string, additionalVersionWeights: Record<string, number>): Promise<void> {
    const ref = { kind: aliasKind, name: "live", namespace: "default" };
    await world.store.patch(ref, { spec: { functionVersion, routingConfig: null } });
    await world.store.patch(ref, { spec: { routingConfig: { additionalVersionWeights } } });
  }

  async function executed(router: number): Promise<string> {
    const path = "/2015-03-31/functions/hello%3Alive/invocations";
    const { status, headers, body } = await world.call(path, { body: "{}", router: world.routers[router]! });
    assert.equal(status, 200, body);
    return String(headers["x-amz-executed-version"]);
  }

  for (const weight of [0.1]) {
    it(`versions-aliases 19: is split by a weight of ${weight} over 3,000 calls, by each router alike`, async () => {
      await point("1", { "2": weight });
      const calls = 1000;
      for (let router = 0; router < 3; router += 1) {
        let additional = 0;
        for (let done = 0; done < calls; done += 4) {
          const ran = await Promise.all([1, 2, 3, 4].map(() => executed(router)));
          additional += ran.filter((version) => version === "2").length;
        }
        const want = calls * weight;
        const chiSquare = (additional - want) ** 2 / want + (additional - want) ** 2 / (calls - want);
        assert.ok(chiSquare < leastLikely, `router ${router}: ${additional} of ${calls} went to version 2`);
      }
    });
  }

  it("a change of versions and weights is seen whole by every call, and by none of a router before the one that was there", async () => {
    const ref = { kind: aliasKind, name: "live", namespace: "default" };
    const all = (functionVersion: string, additional: string): object => ({
      spec: { functionVersion, routingConfig: { additionalVersionWeights: { "2": null, "4": null, [additional]: 1 } } },
    });
    await world.store.patch(ref, all("1", "2"));
    let isDone = false;
    const seen = [0, 1, 2].map(async (router) => {
      const ran: string[] = [];
      while (!isDone) ran.push(await executed(router));
      return ran;
    });
    for (let change = 0; change < 20; change += 1) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      await world.store.patch(ref, change % 2 === 0 ? all("3", "4") : all("1", "2"));
    }
    isDone = true;
    for (const ran of await Promise.all(seen)) {
      // Whoever took a version of the one route with a weight of the other would run 1 or 3.
      assert.deepEqual([...new Set(ran)].sort(), ["2", "4"]);
      const switches = ran.filter((version, place) => place > 0 && version !== ran[place - 1]).length;
      assert.ok(switches <= 20, `${switches} switches for 20 changes`);
    }
  });
});

/** How an alias splits its calls, whichever of several routers takes them, and what a call sees of a change. */
import assert from "node:assert/strict";
import { after, before, it } from "mocha";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import { seededRandom } from "../../bench/seeded-random.ts";
import { RouterWorld } from "../kit/router-world.ts";
import { describeWithRouters } from "../kit/with-routers.ts";

const versions = [1, 2, 3, 4];
const calls = 20_000;
const callsAtOnce = 12;
/** Chi-square with one degree of freedom is larger in one of 1,000,000 cases. */
const leastLikely = 23.93;

function chiSquareOf(additional: number, weight: number, all: number): number {
  const square = (additional - all * weight) ** 2;
  return square / (all * weight) + square / (all * (1 - weight));
}

describeWithRouters("traffic of an alias", (routers) => {
  let world: RouterWorld;
  const seed = Math.floor(Math.random() * 2 ** 32);
  const draws = Array.from({ length: routers }, (_, router) => seededRandom(seed + router));

  before(async () => {
    world = new RouterWorld();
    // As processes do it: none draws from another's sequence.
    world.draw = (router) => draws[router]!();
    await world.startRouters(routers, { KUBELAMBDA_REQUESTS_PER_CONCURRENCY: 0 });
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

  for (const weight of [0.1, 0.5]) {
    it(`versions-aliases 20: is split by a weight of ${weight} over ${calls} calls, by each router and by all`, async function () {
      this.timeout(120_000);
      await point("1", { "2": weight });
      const perRouter = world.routers.map(() => ({ all: 0, additional: 0 }));
      let begun = 0;
      const client = async (): Promise<void> => {
        while (begun < calls) {
          const router = begun % routers;
          begun += 1;
          const ran = await executed(router);
          assert.ok(ran === "1" || ran === "2", `version ${ran} ran`);
          const seen = perRouter[router]!;
          seen.all += 1;
          if (ran === "2") seen.additional += 1;
        }
      };
      await Promise.all(Array.from({ length: callsAtOnce }, client));
      const additional = perRouter.reduce((sum, seen) => sum + seen.additional, 0);
      for (const seen of [...perRouter, { all: calls, additional }]) {
        const chiSquare = chiSquareOf(seen.additional, weight, seen.all);
        const told = `${seen.additional} of ${seen.all} went to version 2, seed ${seed}`;
        assert.ok(chiSquare < leastLikely, told);
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
    const seen = world.routers.map(async (_, router) => {
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

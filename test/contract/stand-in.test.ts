/** Environments of a former revision with the same configuration take calls until there are others: with one router and with two. */
import assert from "node:assert/strict";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";

const configurationID = "k1";

for (const routers of [1, 2]) {
  describe(`a runtime's image that moves under load, with ${routers} of the routers`, () => {
    let world: RouterWorld;
    let hello: Stored<FunctionObject>;

    beforeEach(async () => {
      world = new RouterWorld();
      for (let count = 0; count < routers; count += 1) await world.startRouter();
      hello = await world.addFunction({ name: "hello", status: { configurationID } });
    });
    afterEach(async () => await world.close());

    /** So many calls, three at once. */
    async function call(times: number): Promise<readonly HttpAnswer[]> {
      const answers: HttpAnswer[] = [];
      const one = async (): Promise<void> => {
        while (answers.length < times) answers.push(await world.invoke("hello", '"x"'));
      };
      await Promise.all([one(), one(), one()]);
      return answers;
    }

    function assertAllAnswered(answers: readonly HttpAnswer[]): void {
      assert.deepEqual(
        answers.filter(({ status, body }) => status !== 200 || body !== '"x"'),
        [],
      );
    }

    it("fails no call and keeps none waiting: the former ones answer until a new one is there", async () => {
      const former = [
        await world.addEnvironment(hello, "r1", configurationID),
        await world.addEnvironment(hello, "r1", configurationID),
      ];
      assertAllAnswered(await call(50));
      const calling = call(200);
      await world.setStatus(hello, { revisionID: "r2" });
      assertAllAnswered(await calling);
      await world.reported(({ functions }) =>
        functions.some(({ revisionID, needed }) => revisionID === "r2" && needed > 0),
      );
      assertAllAnswered(await call(50));
      const next = await world.addEnvironment(hello, "r2", configurationID);
      const later = call(200);
      world.release = former.map(({ podUid }) => podUid);
      assertAllAnswered(await later);
      await world.reported(({ functions }) =>
        former.every(({ podUid }) => functions.some(({ released }) => released.includes(podUid))),
      );
      const before = former.map(({ calls }) => calls.length);
      assertAllAnswered(await call(30));
      assert.deepEqual(
        former.map(({ calls }) => calls.length),
        before,
        "what was given back takes no calls",
      );
      assert.ok(next.calls.length > 0);
    });

    it("has no environment of another configuration answer", async () => {
      const other = await world.addEnvironment(hello, "r1", "k0");
      await world.setStatus(hello, { revisionID: "r2" });
      const calling = world.invoke("hello", '"x"');
      await world.reported(({ functions }) => functions.some(({ needed }) => needed === 1));
      assert.equal(other.calls.length, 0);
      await world.addEnvironment(hello, "r2", configurationID);
      assert.equal((await calling).body, '"x"');
      assert.equal(other.calls.length, 0);
    });
  });
}

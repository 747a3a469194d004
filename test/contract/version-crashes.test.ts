/** An operator that is killed at any of its writes for Versions: the next one ends where one that was never killed ends. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "mocha";
import { dyingClient } from "../kit/dying-client.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { code, VersionSpace } from "../kit/version-space.ts";

describe("versions and an operator that is killed", function () {
  this.timeout(240_000);
  let world: OperatorWorld;

  before(async () => {
    world = await OperatorWorld.start();
  });
  after(() => world.stop());

  /** Runs `act` under an operator that dies at its write number `step`; false: it had fewer to do until `isOver`. */
  async function dyingDuring(
    fate: { readonly step: number; readonly when: "before" | "after" },
    act: () => Promise<void>,
    isOver: () => Promise<true | undefined>,
  ): Promise<boolean> {
    const { client, died } = dyingClient(world.client, fate);
    const operator = await world.startOperator({}, { client });
    await act();
    const hasDied = await Promise.race([died.then(() => true), world.until("it is over", isOver).then(() => false)]);
    await world.stopOperator(operator);
    return hasDied;
  }

  async function prepared(): Promise<VersionSpace> {
    const space = await VersionSpace.open(world);
    const operator = await world.startOperator();
    await space.function();
    await world.stopOperator(operator);
    return space;
  }

  for (const when of ["before", "after"] as const) {
    it(`publishes and counts on, killed ${when} any write of a publication`, async () => {
      for (let step = 1, hasDied = true; hasDied; step++) {
        const space = await prepared();
        const act = async (): Promise<void> => {
          await space.createVersion("claimed", { version: 5 });
          await space.createVersion("next");
        };
        hasDied = await dyingDuring({ step, when }, act, async () => {
          const versions = await space.versions();
          return versions.every(({ status }) => status?.conditions !== undefined && status.version !== undefined)
            ? true
            : undefined;
        });
        const operator = await world.startOperator();
        const versions = await Promise.all(["claimed", "next"].map((name) => space.untilVersion(name)));
        const numbers = versions.map(({ status }) => status?.version);
        assert.deepEqual(numbers, [5, 5], `killed at write ${step}`);
        assert.equal((await space.snapshots()).length, 2);
        await space.change(code("two"));
        const third = (await space.published("third")) ?? 0;
        assert.ok(third > 5, `killed at write ${step}: ${third}`);
        await world.stopOperator(operator);
        assert.ok(step < 30, "so many writes it never has");
      }
    });

    it(`publishes once by itself, killed ${when} any write from the function's creation on`, async () => {
      for (let step = 1, hasDied = true; hasDied; step++) {
        const space = await VersionSpace.open(world);
        const routed = async (): Promise<string | undefined> => (await space.aliases())[0]?.status?.functionVersion;
        const act = async (): Promise<void> => {
          await world.createFunction(space.namespace, "f", { autoPublishAlias: "live" });
        };
        hasDied = await dyingDuring({ step, when }, act, async () =>
          (await routed()) === undefined ? undefined : true,
        );
        const operator = await world.startOperator();
        const number = await world.until("live leads to a version", routed);
        const versions = await space.versions();
        assert.deepEqual(
          versions.map(({ status }) => String(status?.version)),
          [number],
          `killed at write ${step}`,
        );
        assert.deepEqual([(await space.snapshots()).length, (await space.aliases()).length], [1, 1]);
        await world.stopOperator(operator);
        assert.ok(step < 30, "so many writes it never has");
      }
    });

    it(`lets a Version go with its snapshot, killed ${when} any write of its deletion, and gives its number to nobody`, async () => {
      for (let step = 1, hasDied = true; hasDied; step++) {
        const space = await prepared();
        let operator = await world.startOperator();
        await space.published("first");
        await world.stopOperator(operator);
        const isGone = async (): Promise<true | undefined> =>
          (await space.versions()).length === 0 ? true : undefined;
        hasDied = await dyingDuring({ step, when }, () => space.deleteVersion("first"), isGone);
        operator = await world.startOperator();
        await space.untilGone("first");
        assert.deepEqual(await space.snapshots(), []);
        assert.equal(await space.published("first"), 2, `killed at write ${step}`);
        await world.stopOperator(operator);
        assert.ok(step < 30, "so many writes it never has");
      }
    });
  }
});

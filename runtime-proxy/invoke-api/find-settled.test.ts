import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { ManualClock } from "../../test/kit/manual-clock.ts";
import type { FunctionFacts } from "../domain/function-facts.ts";
import { InvokeError } from "./errors.ts";
import type { FoundFunction } from "./find-function.ts";
import { createFindSettled } from "./find-settled.ts";

const found = { facts: { state: "Active", revisionID: "r1" } as FunctionFacts, invokedArn: "arn" };

/** Functions that change when the test says so. */
class Functions {
  readonly clock = new ManualClock();
  isThere = false;
  looks = 0;
  #tell: () => void = () => undefined;
  readonly findSettled = createFindSettled({
    clock: this.clock,
    functions: { onChange: (listener) => (this.#tell = () => listener("f", undefined)) },
  });

  changed(): void {
    this.#tell();
  }

  find(): FoundFunction | Promise<FoundFunction> {
    return this.findSettled(() => {
      this.looks += 1;
      if (this.isThere) return found;
      throw new InvokeError("ResourceNotFoundException", "Function not found: f");
    });
  }

  /** In steps, so that who sleeps goes on. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 5) {
      this.clock.advance(5);
      await new Promise(setImmediate);
    }
  }
}

async function outcome(finding: FoundFunction | Promise<FoundFunction>): Promise<string> {
  return await Promise.resolve(finding).then(
    () => "found",
    (error: unknown) => String(error),
  );
}

describe("what is looked for twice", () => {
  it("is answered at once when it is there", () => {
    const functions = new Functions();
    functions.isThere = true;
    assert.equal(functions.find(), found);
  });

  it("is found when it comes within half a second", async () => {
    const functions = new Functions();
    const finding = outcome(functions.find());
    await functions.pass(300);
    functions.isThere = true;
    functions.changed();
    await functions.pass(50);
    assert.equal(await finding, "found");
  });

  it("is looked for once when nothing changes, and is not there after half a second", async () => {
    const functions = new Functions();
    const finding = outcome(functions.find());
    await functions.pass(525);
    assert.match(await finding, /Function not found/);
    assert.equal(functions.looks, 1);
  });

  it("is not waited for by a flood", async () => {
    const functions = new Functions();
    const waiting = Array.from({ length: 200 }, () => outcome(functions.find()));
    assert.throws(() => functions.find(), /Function not found/);
    await functions.pass(525);
    await Promise.all(waiting);
    assert.ok(functions.find() instanceof Promise);
    await functions.pass(525);
  });
});

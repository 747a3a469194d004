/** The Lambda runtime interface emulator as an oracle: it and our agent are led through the same steps, and what comes of each is compared. */
import assert from "node:assert/strict";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { findEmulator } from "../kit/emulator-binary.ts";
import { startAgentWorld } from "../oracle/agent-world.ts";
import { differences, explains, type Explained } from "../oracle/differences.ts";
import { startEmulatorWorld } from "../oracle/emulator-world.ts";
import { play, type World } from "../oracle/play.ts";
import type { Script } from "../oracle/script.ts";
import { extensionRegisterScripts } from "../oracle/scripts/extensions-register.ts";
import { extensionStateScripts, variableScripts } from "../oracle/scripts/extensions-states.ts";
import { runtimeBodyScripts } from "../oracle/scripts/runtime-bodies.ts";
import { runtimeEndScripts, runtimeStateScripts } from "../oracle/scripts/runtime-states.ts";
import { compare, type Outcome } from "../oracle/transcript.ts";

const scripts = [
  ...runtimeStateScripts,
  ...runtimeEndScripts,
  ...runtimeBodyScripts,
  ...extensionRegisterScripts,
  ...extensionStateScripts,
  ...variableScripts,
];
/** A whole script in both worlds, none of whose steps takes more than 4 s. */
const scriptLimitMs = 60_000;

describe("the emulator and the agent, led through the same steps", function () {
  this.timeout(scriptLimitMs);
  const occurred = new Set<Explained>();
  let played = 0;

  before(async function () {
    this.timeout(300_000);
    await findEmulator((line) => process.stderr.write(`${line}\n`));
    await buildSupervisor();
  });

  async function playIn(start: (script: Script) => Promise<World>, script: Script): Promise<Outcome[]> {
    const world = await start(script);
    try {
      return await play(script, world);
    } finally {
      await world.end();
    }
  }

  for (const script of scripts) {
    it(script.title, async () => {
      const emulator = await playIn(startEmulatorWorld, script);
      const agent = await playIn(startAgentWorld, script);
      const unexplained = compare(script.title, emulator, agent).filter((difference) => {
        const explained = differences.filter((candidate) => explains(candidate, difference));
        for (const one of explained) occurred.add(one);
        return explained.length === 0;
      });
      assert.deepEqual(unexplained, []);
      played += 1;
    });
  }

  it("every difference that is explained still occurs", function () {
    assert.equal(played, scripts.length, "not all scripts were compared");
    assert.deepEqual(
      differences.filter((explained) => !occurred.has(explained)),
      [],
    );
  });
});

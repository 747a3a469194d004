import type { Context, RootHookObject } from "mocha";
import { collectLogs } from "./failure-logs.ts";
import { progress, stopSystem, system } from "./fixture.ts";

/** Around every file: logs of all parts after a failure, and the end of what was started. */
export const mochaHooks: RootHookObject = {
  async beforeAll(this: Context) {
    // The first run builds Kubernetes and all images from sources.
    this.timeout(90 * 60_000);
    await system();
  },
  async afterEach(this: Context) {
    if (this.currentTest?.state !== "failed") return;
    this.timeout(120_000);
    const folder = await collectLogs(await system(), this.currentTest.fullTitle());
    progress(`logs of this failure: ${folder}`);
  },
  async afterAll(this: Context) {
    this.timeout(120_000);
    await stopSystem();
  },
};

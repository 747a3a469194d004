/** A package store in a process of its own. Argument: FleetStoreOrder as JSON; prints its ports as its first line. */
import { startPackages } from "../../../runtime-proxy/packages.ts";
import { storeTestConfig, trustingVerifier } from "../package-store-server.ts";
import type { FleetProcessNews } from "./fleet-process.ts";
import { JumpingClock } from "./jumping-clock.ts";

export interface FleetStoreOrder {
  /** What is kept outlives the process. */
  readonly directory: string;
  readonly address: string;
  readonly port: number;
}

export interface FleetStorePorts {
  readonly port: number;
}

const clock = new JumpingClock();
process.on("message", ({ offsetMs }: FleetProcessNews) => clock.jumpTo(offsetMs));
// Without whoever made it a store of a fleet has no reason to be.
process.on("disconnect", () => process.exit(0));
const order = JSON.parse(process.argv[2] ?? "") as FleetStoreOrder;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const { port } = await startPackages(
  storeTestConfig(order.directory, {
    KUBELAMBDA_LISTEN_HOST: order.address,
    KUBELAMBDA_PACKAGES_PORT: String(order.port),
  }),
  { verifyToken: trustingVerifier, nowMs: () => clock.nowMs(), log: silent },
);
process.stdout.write(`${JSON.stringify({ port } satisfies FleetStorePorts)}\n`);

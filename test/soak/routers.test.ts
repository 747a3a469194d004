/** Routers, agents, operator and API server under a steady load while each is killed, frozen and cut off in turn, with 1, 2 and 5 routers. */
import { faults, startRouterFaults } from "../kit/fleet/fleet-faults.ts";
import { soakFaults } from "./fault-soak.ts";

soakFaults({
  what: "the fleet",
  counts: [1, 2, 5],
  faults,
  start: startRouterFaults,
  // What lasts: longer than an agent obeys an owner that is silent.
  options: { lastMs: 12_000, awayMs: 60_000 },
});

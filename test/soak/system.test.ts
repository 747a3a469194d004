/** Operators, package store, agents, API server and etcd under a steady load while each is killed, frozen and cut off in turn, with 1 and 3 routers. */
import { startSystemFaults, systemFaults } from "../kit/fleet/system-faults.ts";
import { soakFaults } from "./fault-soak.ts";

soakFaults({
  what: "the system",
  counts: [1, 3],
  faults: systemFaults,
  start: startSystemFaults,
  // What lasts: longer than an agent obeys an owner that is silent. What is away: longer than environments live, and than a leader keeps its Lease.
  options: { lastMs: 12_000, awayMs: 40_000 },
});

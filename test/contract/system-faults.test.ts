/** Operators, package store, API server and etcd freeze, die and are cut off while calls run and environments are replaced. */
import { describe } from "mocha";
import { beginFaults, sufferFaults } from "../kit/fleet/fault-suite.ts";
import { startSystemFaults, type SystemFaultName } from "../kit/fleet/system-faults.ts";

/** A short form of the soak. */
const plan: readonly SystemFaultName[] = [
  "the operator that leads is killed",
  "the operator that leads is frozen",
  "the package store is killed",
  "the API server is frozen",
  "etcd is frozen",
  "an agent is killed",
  "clocks of operators and of the package store jump",
];

describe("the system under faults", () => {
  sufferFaults(
    beginFaults(() => startSystemFaults(2, { lastMs: 3000, awayMs: 7000 })),
    plan,
  );
});

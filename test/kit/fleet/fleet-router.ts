/** One router of a fleet as a process of its own, at its own address. */
import type { FleetProcess } from "./fleet-process.ts";
import type { FleetRouterPorts } from "./router-process.ts";

export interface FleetRouter extends FleetProcess<FleetRouterPorts> {
  readonly podUid: string;
  readonly podName: string;
  readonly podIP: string;
}

import { bridge } from "../cluster/node-network.ts";
import type { Space } from "./space.ts";

/** By what address pods reach this machine. */
export function hostAddress({ system }: Space): string {
  if (system.cluster.kind === "own") return bridge.address;
  const address = process.env["E2E_HOST_ADDRESS"];
  if (address !== undefined) return address;
  throw new Error("Cannot serve this cluster: set E2E_HOST_ADDRESS to the address by which its pods reach here");
}

import type { TelemetryDestination } from "../domain/telemetry-subscription.ts";
import type { Destination } from "./delivery.ts";
import { HttpDestination } from "./http-destination.ts";
import { TcpDestination } from "./tcp-destination.ts";

export function createDestination(destination: TelemetryDestination): Destination {
  return destination.protocol === "HTTP" ? new HttpDestination(destination) : new TcpDestination(destination.port);
}

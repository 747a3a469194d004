/** `refused`: it was heard and not taken; `unreachable`: nobody listens, it broke off, or it took too long. */
export type Delivery = "taken" | "refused" | "unreachable";

export interface Destination {
  /** Never rejects; an aborted signal ends the attempt. One at a time. */
  send(events: readonly string[], signal: AbortSignal): Promise<Delivery>;
  close(): void;
}

/** Destinations are ports of the environment itself, whatever name they were given. */
export const loopback = "127.0.0.1";

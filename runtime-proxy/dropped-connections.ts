import type { Clock } from "../lib/clock.ts";
import type { Logger } from "../lib/logger.ts";
import type { RouterMetrics } from "./router-metrics.ts";

export interface DroppedConnectionsParts {
  readonly metrics: Pick<RouterMetrics, "droppedConnections">;
  readonly log: Logger;
  readonly clock: Clock;
  readonly mostConnections: number;
}

/** Of lines that tell of it. */
const everyMs = 10_000;

/** To be called for each connection that is closed as it comes: counts it, and says so in the log at once and then every 10 s. */
export function countDroppedConnections({ metrics, log, clock, mostConnections }: DroppedConnectionsParts): () => void {
  let dropped = 0;
  let isQuiet = true;
  const tell = (): void => {
    isQuiet = dropped === 0;
    if (isQuiet) return;
    log.warn("Connections dropped: as many are open as may be (chart value router.connections)", {
      ...{ dropped, mostConnections },
    });
    dropped = 0;
    clock.schedule(everyMs, tell);
  };
  return () => {
    metrics.droppedConnections.inc();
    dropped += 1;
    if (isQuiet) tell();
  };
}

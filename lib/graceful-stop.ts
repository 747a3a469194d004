import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** One thing to end; the signal is aborted when the time is up. */
export interface StopStep {
  readonly name: string;
  readonly stop: (deadline: AbortSignal) => Promise<void> | void;
}

export interface GracefulStopOptions {
  /** In this order, each when the one before has ended or failed. */
  readonly steps: readonly StopStep[];
  /** For all of them together. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the signals come from; default: this process. */
  readonly signals?: Pick<NodeJS.EventEmitter, "once" | "off">;
  /** Default: `process.exit`. */
  readonly exit?: (code: number) => void;
}

export interface GracefulStop {
  /** Stops as a signal does; once, however often it is called. Resolves with the exit code. */
  stop(reason: string): Promise<number>;
  /** No longer reacts to signals. */
  dispose(): void;
}

const signalNames = ["SIGTERM", "SIGINT"] as const;

/**
 * Ends the process in order on SIGTERM or SIGINT: code 0 when every step ended in time, else 1. A second signal ends it
 * at once.
 */
export function stopOnSignals(options: GracefulStopOptions): GracefulStop {
  const { signals = process, exit = (code: number) => process.exit(code), logger } = options;
  let stopping: Promise<number> | undefined;

  function stop(reason: string): Promise<number> {
    stopping ??= runSteps(options, reason);
    return stopping;
  }

  const onSignal = Object.fromEntries(
    signalNames.map((name) => [
      name,
      () => {
        if (stopping !== undefined) {
          logger.warn(`Stopping at once: second signal ${name}`);
          exit(1);
          return;
        }
        signals.once(name, listenerOf(name));
        void stop(name).then(exit);
      },
    ]),
  );
  const listenerOf = (name: string): (() => void) => onSignal[name] ?? ((): void => undefined);

  for (const name of signalNames) signals.once(name, listenerOf(name));
  return {
    stop,
    dispose: () => {
      for (const name of signalNames) signals.off(name, listenerOf(name));
    },
  };
}

async function runSteps({ steps, deadlineMs, clock, logger }: GracefulStopOptions, reason: string): Promise<number> {
  logger.info(`Stopping: ${reason}`);
  const deadline = new AbortController();
  const { promise: timeIsUp, resolve } = Promise.withResolvers<"late">();
  const cancel = clock.schedule(deadlineMs, () => {
    deadline.abort(new Error(`Cannot stop in ${deadlineMs} ms`));
    resolve("late");
  });
  let code = 0;
  for (const { name, stop } of steps) {
    try {
      const ended = await Promise.race([Promise.resolve(stop(deadline.signal)), timeIsUp]);
      if (ended === "late") throw new Error(`Cannot stop "${name}" in time: ${deadlineMs} ms are over`);
    } catch (error) {
      logger.error(`Cannot stop "${name}"`, { error });
      code = 1;
    }
  }
  cancel();
  return code;
}

import type { ProcessGroup } from "./process-group.ts";
import type { Comparison } from "./comparison.ts";

/** What a scenario works with. */
export interface BenchContext {
  readonly processes: ProcessGroup;
  /** A number in [0, 1), from the run's seed. */
  readonly draw: () => number;
  readonly rounds: number;
  /** Of one system in one round. */
  readonly roundMs: number;
  /** Of one system before the first round, not counted. */
  readonly warmUpMs: number;
  readonly connections: readonly number[];
  /** Emptied at the end. */
  readonly folder: string;
  /** Kept between runs. */
  readonly cacheFolder: string;
  readonly progress: (line: string) => void;
}

/** One thing that is measured, with everything that it is compared with in the same run. */
export interface Scenario {
  readonly summary: string;
  /** It wants a network of its own; this fetches, before, what comes over the one that is there. */
  readonly prepare?: (context: Pick<BenchContext, "cacheFolder" | "progress">) => Promise<void>;
  /** Ends whatever it starts, also when it rejects. */
  readonly run: (context: BenchContext) => Promise<readonly Comparison[]>;
}

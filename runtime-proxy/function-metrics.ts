/** What is counted function by function, in the text format of Prometheus, and only for functions that were called lately. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../lib/clock.ts";
import { NamespaceShares } from "./domain/namespace-shares.ts";
import { RecentCounts } from "./domain/recent-counts.ts";
import type { ProvisionedUse } from "./ownership/placement.ts";
import type { FunctionFacts } from "./domain/function-facts.ts";

/** One call that has come to its end. */
export interface EndedCall {
  readonly facts: FunctionFacts;
  /** As the caller named the function, qualifier included. */
  readonly invokedArn: string;
  readonly end:
    | {
        readonly type: "ran";
        readonly isFunctionError: boolean;
        readonly durationMs: number;
        /** What extensions took after the call that the environment ran before. */
        readonly extensionsMs?: number | undefined;
        /** Absent: nothing is kept ready for its version. */
        readonly provisioned?: ProvisionedUse | undefined;
      }
    | { readonly type: "throttled"; readonly reason: string }
    /** Its chain of calls had come back too often. */
    | { readonly type: "recursive" };
}

interface Series {
  /** `namespace="…",function="…",resource="…",executed_version="…"` */
  readonly labels: string;
  calledAtMs: number;
  invocations: number;
  errors: number;
  readonly runsByUse: Record<ProvisionedUse, number>;
  durationSecondsSum: number;
  /** Of `durationBounds`, and the last one for all that took longer. */
  readonly durationCounts: Uint32Array;
  readonly throttlesByReason: Map<string, number>;
  recursive: number;
  extensions: number;
  extensionsSecondsSum: number;
}

export interface FunctionMetricsOptions {
  readonly clock: Clock;
  /** Most series of labels at once, which namespaces share; default 20,000. Calls beyond are counted for a function without a name. */
  readonly maxSeries?: number;
}

/** Seconds. Few, for they are paid for every function. */
const durationBounds = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] as const;
const keptMs = 3_600_000;
/** So many are written in one turn of the event loop: calls go on between them. */
const seriesAtOnce = 100;
const rest = 'namespace="",function="",resource="",executed_version=""';

/**
 * Counts as CloudWatch does, under its names in snake case: throttled calls are no invocations, durations are without init and
 * waiting. Source: Lambda developer guide, monitoring-metrics-types.
 */
export class FunctionMetrics {
  readonly #clock: Clock;
  readonly #seriesByKey: NamespaceShares<Series>;
  /** Of calls for whose own there is no room. */
  #rest: Series | undefined;
  /** Of the last minute, by the function's uid. */
  readonly recent: RecentCounts;

  constructor({ clock, maxSeries = 20_000 }: FunctionMetricsOptions) {
    this.#clock = clock;
    this.#seriesByKey = new NamespaceShares({ most: maxSeries, isOld });
    this.recent = new RecentCounts(maxSeries);
  }

  count({ facts, invokedArn, end }: EndedCall): void {
    const nowMs = this.#clock.monotonicMs();
    const series = this.#series(facts, invokedArn, nowMs);
    series.calledAtMs = nowMs;
    if (end.type === "throttled") {
      this.recent.count(facts, "throttled", nowMs);
      series.throttlesByReason.set(end.reason, (series.throttlesByReason.get(end.reason) ?? 0) + 1);
      return;
    }
    if (end.type === "recursive") {
      series.recursive += 1;
      return;
    }
    if (end.extensionsMs !== undefined) {
      series.extensions += 1;
      series.extensionsSecondsSum += end.extensionsMs / 1000;
    }
    const seconds = end.durationMs / 1000;
    series.invocations += 1;
    this.recent.count(facts, "calls", nowMs);
    if (end.isFunctionError) {
      series.errors += 1;
      this.recent.count(facts, "errors", nowMs);
    }
    if (end.provisioned !== undefined) series.runsByUse[end.provisioned] += 1;
    series.durationSecondsSum += seconds;
    const bound = durationBounds.findIndex((limit) => seconds <= limit);
    const at = bound === -1 ? durationBounds.length : bound;
    series.durationCounts[at] = (series.durationCounts[at] ?? 0) + 1;
  }

  /** The series of functions that were called in the last hour; forgets the others. */
  async *text(): AsyncGenerator<string, void> {
    const nowMs = this.#clock.monotonicMs();
    this.#seriesByKey.forgetOld(nowMs);
    if (this.#rest !== undefined && isOld(this.#rest, nowMs)) this.#rest = undefined;
    const all = [...this.#seriesByKey.values(), ...(this.#rest === undefined ? [] : [this.#rest])];
    for (const { name, type, help, lines } of families) {
      yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
      for (let from = 0; from < all.length; from += seriesAtOnce) {
        yield all
          .slice(from, from + seriesAtOnce)
          .flatMap((series) => lines(name, series))
          .join("");
        await nextTurn();
      }
    }
  }

  #series(facts: FunctionFacts, invokedArn: string, nowMs: number): Series {
    const { namespace, version } = facts;
    const key = `${invokedArn} ${version} ${namespace}`;
    const known =
      this.#seriesByKey.get(key) ??
      this.#seriesByKey.add(key, { namespace, nowMs }, () => newSeries(labelsOf(facts, invokedArn), nowMs));
    if (known !== undefined) return known;
    this.#rest ??= newSeries(rest, nowMs);
    return this.#rest;
  }
}

function isOld({ calledAtMs }: Series, nowMs: number): boolean {
  return calledAtMs < nowMs - keptMs;
}

interface Family {
  readonly name: string;
  readonly type: "counter" | "histogram" | "summary";
  readonly help: string;
  readonly lines: (name: string, series: Series) => readonly string[];
}

const families: readonly Family[] = [
  {
    name: "kubelambda_invocations_total",
    type: "counter",
    help: "Calls whose function was run, with success or with an error of the function",
    lines: (name, { labels, invocations }) => [`${name}{${labels}} ${invocations}\n`],
  },
  {
    name: "kubelambda_errors_total",
    type: "counter",
    help: "Calls that ended in an error of the function, timeouts included",
    lines: (name, { labels, errors }) => [`${name}{${labels}} ${errors}\n`],
  },
  {
    name: "kubelambda_throttles_total",
    type: "counter",
    help: "Calls that were refused because a limit of concurrency or rate was reached, by reason",
    lines: (name, { labels, throttlesByReason }) =>
      [...throttlesByReason].map(([reason, count]) => `${name}{${labels},reason="${reason}"} ${count}\n`),
  },
  {
    name: "kubelambda_provisioned_concurrency_invocations_total",
    type: "counter",
    help: "Calls that ran in an environment that is kept ready; only of versions with provisioned concurrency",
    lines: (name, series) => provisionedLine(name, series, "used"),
  },
  {
    name: "kubelambda_provisioned_concurrency_spillover_invocations_total",
    type: "counter",
    help: "Calls that ran on demand although environments are kept ready for their version",
    lines: (name, series) => provisionedLine(name, series, "spilled"),
  },
  {
    name: "kubelambda_duration_seconds",
    type: "histogram",
    help: "Time that the function took, without init and without waiting for an environment",
    lines: durationLines,
  },
  {
    name: "kubelambda_post_runtime_extensions_duration_seconds",
    type: "summary",
    help: "Time that extensions took after the runtime was done, told by the next call of the same environment",
    lines: (name, { labels, extensions, extensionsSecondsSum }) =>
      extensions === 0
        ? []
        : [`${name}_sum{${labels}} ${extensionsSecondsSum}\n`, `${name}_count{${labels}} ${extensions}\n`],
  },
  {
    name: "kubelambda_recursive_invocations_dropped_total",
    type: "counter",
    help: "Calls that were refused because their chain had come back to the function too often",
    lines: (name, { labels, recursive }) => (recursive === 0 ? [] : [`${name}{${labels}} ${recursive}\n`]),
  },
];

function provisionedLine(name: string, { labels, runsByUse }: Series, use: ProvisionedUse): readonly string[] {
  const isKept = runsByUse.used + runsByUse.spilled > 0;
  return isKept ? [`${name}{${labels}} ${runsByUse[use]}\n`] : [];
}

function durationLines(name: string, { labels, invocations, durationCounts, durationSecondsSum }: Series): string[] {
  let below = 0;
  const buckets = durationBounds.map((bound, index) => {
    below += durationCounts[index] ?? 0;
    return `${name}_bucket{${labels},le="${bound}"} ${below}\n`;
  });
  return [
    ...buckets,
    `${name}_bucket{${labels},le="+Inf"} ${invocations}\n`,
    `${name}_sum{${labels}} ${durationSecondsSum}\n`,
    `${name}_count{${labels}} ${invocations}\n`,
  ];
}

function newSeries(labels: string, calledAtMs: number): Series {
  return {
    labels,
    calledAtMs,
    invocations: 0,
    errors: 0,
    runsByUse: { used: 0, spilled: 0 },
    durationSecondsSum: 0,
    durationCounts: new Uint32Array(durationBounds.length + 1),
    throttlesByReason: new Map(),
    recursive: 0,
    extensions: 0,
    extensionsSecondsSum: 0,
  };
}

/** Names have no character that would have to be escaped. Source: CloudWatch's dimension Resource is `name` or `name:qualifier`. */
function labelsOf({ namespace, name, version, arn }: FunctionFacts, invokedArn: string): string {
  const resource = name + invokedArn.slice(arn.length);
  return `namespace="${namespace}",function="${name}",resource="${resource}",executed_version="${version}"`;
}

/** What runs and what is claimed of limits, as the owner of each account counts it, in the text format of Prometheus. */
import type { Clock } from "../lib/clock.ts";
import type { AccountReading, ConcurrencyLedger, FunctionReading } from "./domain/concurrency.ts";
import type { FunctionDirectory } from "./domain/function-facts.ts";

export interface ConcurrencyMetricsParts {
  readonly ledger: Pick<ConcurrencyLedger, "accounts" | "functions" | "rollPeaks">;
  readonly functions: Pick<FunctionDirectory, "findByUid">;
  /** Only an account's owner knows what runs in it. */
  readonly owns: (namespace: string) => boolean;
  readonly clock: Clock;
}

/** One metric of an account or a function; what is provisioned is to be listed beside these. */
interface Gauge<Reading> {
  readonly name: string;
  readonly help: string;
  readonly value: (reading: Reading) => number;
}

/** Source of what they count: Lambda developer guide, monitoring-metrics-types and monitoring-concurrency. */
const ofAccounts: readonly Gauge<AccountReading>[] = [
  {
    name: "kubelambda_account_concurrency_limit",
    help: "Calls that an account may run at once",
    value: ({ limit }) => limit,
  },
  {
    name: "kubelambda_unreserved_concurrent_executions",
    help: "Running calls of functions without a reservation, on demand",
    value: ({ unreserved }) => unreserved,
  },
  {
    name: "kubelambda_unreserved_concurrent_executions_max",
    help: "The most of them at once, within 30 seconds at least before the look",
    value: ({ highestUnreserved }) => highestUnreserved,
  },
  {
    name: "kubelambda_claimed_account_concurrency",
    help: "What is not to be had of the limit: reserved, provisioned, and running without a reservation",
    value: ({ claimed, unreserved }) => claimed + unreserved,
  },
];
const ofFunctions: readonly Gauge<FunctionReading>[] = [
  {
    name: "kubelambda_concurrent_executions",
    help: "Calls of a function that hold a slot, over all its versions",
    value: ({ running }) => running,
  },
  {
    name: "kubelambda_concurrent_executions_max",
    help: "The most of them at once, within 30 seconds at least before the look",
    value: ({ highest }) => highest,
  },
];

/** Two who look must both see a peak: a new span begins after this at the earliest. */
const spanMs = 30_000;

/** Reads the ledger; a function of which nothing runs has no series. */
export class ConcurrencyMetrics {
  readonly #parts: ConcurrencyMetricsParts;
  #rolledAtMs: number;

  constructor(parts: ConcurrencyMetricsParts) {
    this.#parts = parts;
    this.#rolledAtMs = parts.clock.monotonicMs();
  }

  *text(): Iterable<string> {
    const { ledger, owns } = this.#parts;
    const accounts = [...ledger.accounts()].filter(({ namespace }) => owns(namespace));
    for (const gauge of ofAccounts)
      yield lines(
        gauge,
        accounts.map((reading) => [`namespace="${reading.namespace}"`, reading]),
      );
    const running = [...this.#functions()];
    for (const gauge of ofFunctions) yield lines(gauge, running);
    this.#roll();
  }

  *#functions(): Iterable<readonly [string, FunctionReading]> {
    const { ledger, functions, owns } = this.#parts;
    for (const reading of ledger.functions()) {
      const facts = functions.findByUid(reading.uid);
      if (facts !== undefined && owns(facts.namespace))
        yield [`namespace="${facts.namespace}",function="${facts.name}"`, reading];
    }
  }

  #roll(): void {
    const { clock, ledger } = this.#parts;
    if (clock.monotonicMs() - this.#rolledAtMs < spanMs) return;
    this.#rolledAtMs = clock.monotonicMs();
    ledger.rollPeaks();
  }
}

function lines<Reading>(
  { name, help, value }: Gauge<Reading>,
  series: readonly (readonly [labels: string, reading: Reading])[],
): string {
  const body = series.map(([labels, reading]) => `${name}{${labels}} ${value(reading)}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${body.join("")}`;
}

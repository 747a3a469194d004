/** Environments that are kept ready, and how many of them are in use, in the text format of Prometheus. */
import type { ConcurrencyLedger } from "./domain/concurrency.ts";
import type { FunctionDirectory, FunctionFacts } from "./domain/function-facts.ts";
import type { EnvironmentPool } from "./environments/environment-pool.ts";

export interface ProvisionedMetricsParts {
  readonly functions: Pick<FunctionDirectory, "all">;
  readonly ledger: Pick<ConcurrencyLedger, "provisioned">;
  readonly pool: Pick<EnvironmentPool, "owns">;
}

interface Gauge {
  readonly labels: string;
  readonly running: number;
  readonly usable: number;
  readonly highest: number;
}

/** Only an account's owner knows: over all routers there is one line for each Alias or Version that wants environments kept ready. */
export function provisionedMetrics(parts: ProvisionedMetricsParts): string {
  const gauges = [...parts.functions.all()].flatMap((facts) => gaugesOf(parts, facts));
  return families
    .map(({ name, help, value }) => {
      const lines = gauges.map((gauge) => `${name}{${gauge.labels}} ${value(gauge)}\n`);
      return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join("")}`;
    })
    .join("");
}

const families = [
  {
    name: "kubelambda_provisioned_concurrent_executions",
    help: "Environments that are kept ready and run a call now",
    value: ({ running }: Gauge) => running,
  },
  {
    name: "kubelambda_provisioned_concurrent_executions_max",
    help: "The most of them at once, within 30 seconds at least before the look; of two versions the sum of what each had",
    value: ({ highest }: Gauge) => highest,
  },
  {
    name: "kubelambda_provisioned_concurrency_allocated",
    help: "Environments that are kept ready and that calls may use",
    value: ({ usable }: Gauge) => usable,
  },
  {
    name: "kubelambda_provisioned_concurrency_utilization",
    help: "Share of the environments that are kept ready which run a call now, 0 to 1",
    value: ({ running, usable }: Gauge) => (usable === 0 ? 0 : Math.min(1, running / usable)),
  },
] as const;

/** Environments belong to versions: where two qualifiers lead to one, each shows that version's use. */
function gaugesOf({ ledger, pool }: ProvisionedMetricsParts, facts: FunctionFacts): readonly Gauge[] {
  const { namespace, name, uid, provisionedShares = [] } = facts;
  if (provisionedShares.length === 0 || !pool.owns(namespace)) return [];
  return [...Map.groupBy(provisionedShares, ({ qualifier }) => qualifier)].map(([qualifier, shares]) => {
    const counts = shares.map(({ functionVersion }) => ledger.provisioned(uid, functionVersion));
    return {
      labels: `namespace="${namespace}",function="${name}",resource="${name}:${qualifier}"`,
      running: counts.reduce((sum, count) => sum + (count?.running ?? 0), 0),
      usable: counts.reduce((sum, count) => sum + (count?.usable ?? 0), 0),
      highest: counts.reduce((sum, count) => sum + (count?.peak.highest ?? 0), 0),
    };
  });
}

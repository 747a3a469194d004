import { labels } from "../../crds/names.ts";
import { systemClock } from "../../lib/clock.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { silentLogger } from "../../lib/logger.ts";
import {
  environmentSelector,
  KubernetesEnvironments,
  type EnvironmentPodObject,
} from "../../runtime-proxy/environments/kubernetes-environments.ts";
import { AccountOwnership } from "../../runtime-proxy/ownership/account-ownership.ts";
import { startControlPlane } from "../../test/cluster/control-plane.ts";
import { eachAtOnce } from "../at-once.ts";
import type { Reading } from "../comparison.ts";
import type { Scenario } from "../context.ts";
import { numberOf } from "../number-of.ts";

const taking = "owner of all accounts";
const listing = "one list of all pods";
const podsOfAccount = 3;
const atOnce = 16;
const limitMs = 120_000;
const pageSize = 500;

/** What it costs when accounts that another router owned fall to this one, a call waiting for each; KUBELAMBDA_BENCH_ACCOUNTS makes it smaller. */
export const ownerChange: Scenario = {
  summary: "1,000 accounts with 3,000 environments fall to a router, against one list of all their pods",
  async run(context) {
    const accounts = Array.from({ length: numberOf("KUBELAMBDA_BENCH_ACCOUNTS", 1000) }, (_, n) => `team-${n}`);
    const plane = await startControlPlane();
    const client = new ApiServerClient({ access: await kubeconfigAccess(plane.kubeconfig), kinds: [] });
    const rounds: Record<string, Reading>[] = [];
    try {
      context.progress(`Owner change: ${accounts.length} namespaces …`);
      await eachAtOnce(accounts, atOnce, (account) => fill(client, account));
      for (let round = 0; round < context.rounds; round += 1) {
        rounds.push({
          [taking]: await measure(() => takeAll(client, accounts)),
          [listing]: await measure(() => listAll(client)),
        });
      }
    } finally {
      await client.close();
      await plane.stop();
    }
    const notes = [
      `a real API server and etcd beside it on the same machine; ${accounts.length} accounts of ${podsOfAccount} environments`,
      "a call waits for each account; agents are not asked",
    ];
    const metrics = ["ms", "CPU ms"];
    return [{ title: "change of owner", subject: taking, baselines: [listing], metrics, rounds, notes }];
  },
};

/** A namespace with pods that no node runs, of the size that environments have. */
async function fill(client: ApiServerClient, account: string): Promise<void> {
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: account } });
  const env = Array.from({ length: 30 }, (_, n) => ({ name: `VARIABLE_${n}`, value: "x".repeat(60) }));
  for (let n = 0; n < podsOfAccount; n += 1) {
    const own = { [labels.component]: "environment", [labels.functionUid]: `f-${account}`, [labels.revision]: "r1" };
    await client.create({
      ...{ apiVersion: "v1", kind: "Pod" },
      metadata: { name: `pod-${n}`, namespace: account, labels: own },
      spec: { automountServiceAccountToken: false, containers: [{ name: "runtime", image: "none", env }] },
    } as never);
  }
}

async function measure(run: () => Promise<void>): Promise<Reading> {
  const [cpuBefore, before] = [process.cpuUsage(), performance.now()];
  await run();
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ms: performance.now() - before, "CPU ms": (user + system) / 1000 };
}

/** The roster names this router alone from now on. */
async function takeAll(client: ApiServerClient, accounts: readonly string[]): Promise<void> {
  const watched = { client, clock: systemClock, kind: kinds.pod, labelSelector: environmentSelector };
  const environments = new KubernetesEnvironments(new ObjectCache<EnvironmentPodObject>(watched), client);
  let taken = 0;
  const pool = {
    adopt: (_account: string, _tenure: unknown, listed: readonly unknown[]) => (taken += listed.length),
    ...{ unsettled: () => [], drop: () => undefined, renew: () => undefined },
  };
  const ownership = new AccountOwnership({
    replica: "b",
    ...{ pool: pool as never, environments, clock: systemClock, log: silentLogger, draw: Math.random },
    desk: { drop: () => undefined } as never,
    onTaken: () => undefined,
  });
  for (const account of accounts) ownership.know(account);
  ownership.setRoster({ epoch: 2, previous: 0, replicas: [{ podUid: "b", address: "b:1" }] });
  await Promise.all(
    accounts.map(async (account) => {
      while (!ownership.isHere(account)) await ownership.changed(limitMs, account);
    }),
  );
  if (taken !== accounts.length * podsOfAccount) throw new Error(`Cannot measure: ${taken} pods were listed`);
}

async function listAll(client: ApiServerClient): Promise<void> {
  let next: string | undefined;
  do {
    const selection = { labelSelector: environmentSelector, limit: pageSize, continue: next };
    ({ continue: next } = await client.list(kinds.pod, selection));
  } while (next !== undefined);
}

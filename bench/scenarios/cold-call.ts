import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import type { Reading } from "../comparison.ts";
import type { BenchContext, Scenario } from "../context.ts";
import { shuffled } from "../seeded-random.ts";
import { barePod, likePod, tokenPod } from "../systems/bare-pod.ts";
import { Home, homeHost } from "../systems/home.ts";
import { Installed } from "../systems/installed.ts";
import type { Pod } from "../../operator/pod.ts";

interface Place {
  readonly installed: Installed;
  readonly home: Home;
  readonly homeAddress: { readonly host: string; readonly port: number };
}

const fromPool = "generic, from the pool";
const generic = "generic, new pod";
const own = "own pod";
const bare = "bare pod";
const withToken = "bare pod with a token";
const likeGeneric = "bare pod like a generic one";
const likeOwn = "bare pod like an own one";
const metric = "first answer ms";
/** Of the whole: all but the runtime's own init and the function's run. */
const share = "platform's share ms";
const callLimitMs = 90_000;
const namespace = "default";
const firstOtherMemory = 129;
/** A place in the pod's spec that changes nothing there. */
const ownNeed: Partial<FunctionSpecInput> = { podTemplate: { metadata: { labels: { bench: "own" } } } };

/** A call to a function without an environment. A pod's status tells its address late, so the bare pod calls home. */
export const coldCall: Scenario = {
  summary:
    "first call of a function, in a generic pod from the pool, a new one and an own pod, against the creation of bare pods that call home; needs an installation (KUBELAMBDA_BENCH_CLUSTER=1)",
  async run(context) {
    if (process.env["KUBELAMBDA_BENCH_CLUSTER"] !== "1") {
      throw new Error(
        "Cannot run scenario cold-call: set KUBELAMBDA_BENCH_CLUSTER=1 once kubelambda is installed on the cluster",
      );
    }
    const installed = await Installed.find(context.progress);
    const home = new Home();
    const closing: (() => Promise<void>)[] = [];
    try {
      const host = homeHost(installed.cluster.kind);
      const place = { installed, home, homeAddress: { host, port: await home.listen(host) } };
      const rounds: Record<string, Reading>[] = [];
      context.progress(`Cold call: one round that does not count, then ${context.rounds} …`);
      // A pool is there as long as a function of its kind is.
      const kept = await installed.addFunction("bench-cold-kind");
      closing.push(() => installed.removeFunction(kept));
      const models = {
        generic: (await measureCall(place, "bench-cold-first", {})).pod,
        own: (await measureCall(place, "bench-cold-own", ownNeed)).pod,
      };
      await callOnce(place, "bench-cold-kind");
      await installed.untilPoolRests(1);
      for (let i = 0; i < context.rounds; i += 1) rounds.push(await measureRound(context, place, models, i));
      const notes = [
        `all pods: same image, resources and quality of service (${models.generic.status?.qosClass ?? "unknown"}), images on the node, nothing else started at the moment`,
        "the bare pod has one container, in which Node.js calls home, and no volume; an execution environment has two containers and volumes, an own one an init container, too",
        `"${withToken}": the same as Kubernetes makes it unless told otherwise, with the token of its account in a volume`,
        `"${likeGeneric}" and "${likeOwn}": the same containers and volumes, nothing of ours in them; Node.js calls home from the last container`,
        "platform's share: the first answer less init and run of the function, as its REPORT line says them",
        "from the pool: a generic pod of that kind waits; new pod: none of that kind does",
      ];
      const table = (title: string, subject: string, baselines: readonly string[]) => ({
        ...{ title, subject, baselines, metrics: [metric, share], rounds, notes },
      });
      return [
        table("cold call on a cluster, generic pod from the pool", fromPool, [bare, withToken, generic, own]),
        table("cold call on a cluster, generic pod made for the call", generic, [bare, withToken, likeGeneric, own]),
        table("cold call on a cluster, own pod", own, [likeOwn, bare]),
      ];
    } finally {
      for (const close of closing) await close();
      await home.close();
    }
  },
};

async function measureRound(
  context: BenchContext,
  place: Place,
  models: { readonly generic: Pod; readonly own: Pod },
  i: number,
): Promise<Record<string, Reading>> {
  const measures: [string, () => Promise<Reading>][] = [
    [fromPool, async () => (await measureCall(place, `bench-pool-${i}`, {})).reading],
    // A memory size that no function has had: nothing of that kind waits.
    [generic, async () => (await measureCall(place, `bench-new-${i}`, { memorySize: firstOtherMemory + i })).reading],
    [own, async () => (await measureCall(place, `bench-own-${i}`, ownNeed)).reading],
    [bare, () => measurePod(place, barePod, models.generic, `bench-bare-${i}`)],
    [withToken, () => measurePod(place, tokenPod, models.generic, `bench-token-${i}`)],
    [likeGeneric, () => measurePod(place, likePod, models.generic, `bench-like-generic-${i}`)],
    [likeOwn, () => measurePod(place, likePod, models.own, `bench-like-own-${i}`)],
  ];
  const readings: Record<string, Reading> = {};
  for (const [name, measure] of shuffled(measures, context.draw)) {
    readings[name] = await measure();
    await place.installed.untilPoolRests(1);
  }
  return readings;
}

/** From the request to the whole answer. Also the environment that answered, as it stood then. */
async function measureCall(
  { installed }: Pick<Place, "installed">,
  name: string,
  spec: Partial<FunctionSpecInput>,
): Promise<{ readonly reading: Reading; readonly pod: Pod }> {
  const created = await installed.addFunction(name, spec);
  try {
    const reading = await callOnce({ installed }, name);
    const [pod] = await installed.environmentsOf(created.metadata.uid);
    if (pod === undefined)
      throw new Error(`Cannot measure a cold call: function "${name}" answered and has no environment`);
    return { reading, pod };
  } finally {
    await installed.removeFunction(created);
  }
}

async function callOnce({ installed }: Pick<Place, "installed">, name: string): Promise<Reading> {
  const startedMs = performance.now();
  const answer = await fetch(`${installed.routerUrl}/2015-03-31/functions/${name}/invocations`, {
    method: "POST",
    headers: { authorization: installed.authorization, "x-amz-log-type": "Tail" },
    body: '{"name":"Ada"}',
    signal: AbortSignal.timeout(callLimitMs),
  });
  const text = await answer.text();
  const ms = performance.now() - startedMs;
  if (text !== '{"greeting":"Hello, Ada"}')
    throw new Error(`Cannot measure a cold call: answered ${answer.status} "${text}"`);
  return { [metric]: ms, [share]: ms - functionsShareMs(answer.headers.get("x-amz-log-result") ?? "") };
}

/** Init and run as the REPORT line of the log's tail says them. */
function functionsShareMs(logResult: string): number {
  const log = Buffer.from(logResult, "base64").toString("utf8");
  const [, run] = /\tDuration: ([\d.]+) ms/.exec(log) ?? [];
  const [, init] = /\tInit Duration: ([\d.]+) ms/.exec(log) ?? [];
  if (run === undefined || init === undefined)
    throw new Error(`Cannot measure a cold call: its log's tail reports no init: ${JSON.stringify(log)}`);
  return Number(run) + Number(init);
}

/** From the request that makes the pod to its call. */
async function measurePod(
  { installed, home, homeAddress }: Place,
  make: typeof barePod,
  model: Pod,
  name: string,
): Promise<Reading> {
  const pod = make({ name, namespace, model, home: homeAddress });
  const heard = home.heard(name, callLimitMs);
  const startedMs = performance.now();
  try {
    const [atMs, { status }] = await Promise.all([heard, installed.addPod(pod)]);
    if (status?.qosClass !== model.status?.qosClass) {
      throw new Error(`Cannot compare: the bare pod is ${status?.qosClass}, the environment ${model.status?.qosClass}`);
    }
    return { [metric]: atMs - startedMs };
  } finally {
    await installed.removePod(name);
  }
}

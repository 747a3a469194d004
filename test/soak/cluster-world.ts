import type { FunctionObject, FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { labels } from "../../crds/names.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { installNamespace, release } from "../e2e/fixture.ts";
import { Space } from "../e2e/space.ts";
import type { CallPlan } from "./call-plan.ts";
import type { Outcome } from "./judge.ts";

const answerWithinMs = 90_000;

/** Workloads of the chart, by the process that they run. */
const workloads = {
  router: `deployment/${release}-router`,
  operator: `deployment/${release}-operator`,
  packages: `statefulset/${release}-packages`,
  cache: `daemonset/${release}-cache`,
} as const;
export type Process = keyof typeof workloads;

export interface PodName {
  readonly name: string;
  readonly uid: string;
}

interface OwnedObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly uid: string;
      readonly controller?: boolean;
    }[];
  };
}

/** A namespace of a real cluster with the soak's functions, and what a soak asks of it. */
export class ClusterWorld {
  readonly space: Space;

  private constructor(space: Space) {
    this.space = space;
  }

  static async open(namespace: string): Promise<ClusterWorld> {
    return new ClusterWorld(await Space.open(namespace));
  }

  async deploy(name: string, spec: FunctionSpecInput): Promise<void> {
    await this.space.applyFunction(name, spec);
  }

  async invoke({ functionName, event }: CallPlan): Promise<Outcome> {
    const { status, headers, bytes } = await this.space.invoke(functionName, event, { timeoutMs: answerWithinMs });
    return {
      status,
      requestId: headers["x-amzn-requestid"],
      functionError: headers["x-amz-function-error"],
      errorCode: headers["x-amzn-errortype"],
      body: bytes.toString(),
    };
  }

  /** Pods of one of our processes. */
  async podsOf(component: Process): Promise<readonly PodName[]> {
    const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=${component}`;
    const { items } = JSON.parse(
      await this.space.system.kubectl(["get", "pods", "-n", installNamespace, "-l", selector, "-o", "json"]),
    ) as { items: OwnedObject[] };
    return items.filter(isStaying).map(({ metadata: { name, uid } }) => ({ name, uid }));
  }

  /** The operator's pod that leads. */
  async leader(): Promise<PodName> {
    const path = "jsonpath={.spec.holderIdentity}";
    const args = ["get", "lease", `${release}-operator`, "-n", installNamespace, "-o", path];
    const [name = "", uid = ""] = (await this.space.system.kubectl(args)).split("_");
    return { name, uid };
  }

  /** Of functions, those that stay. */
  async environmentPods(): Promise<readonly PodName[]> {
    return (await this.environments()).filter(isStaying).map(({ metadata: { name, uid } }) => ({ name, uid }));
  }

  /** SIGKILL to all containers of a pod, and its object goes at once. */
  async killPod(namespace: string, pod: string): Promise<void> {
    const now = ["--grace-period=0", "--force", "--wait=false", "--ignore-not-found"];
    await this.space.system.kubectl(["delete", "pod", "-n", namespace, pod, ...now]);
  }

  /** Waits until all of ours is there. */
  async waitRollouts(): Promise<void> {
    for (const workload of Object.values(workloads)) {
      const args = ["rollout", "status", "-n", installNamespace, workload, "--timeout=120s"];
      await this.space.system.kubectl(args, { timeoutMs: 130_000 });
    }
  }

  /** What differs between the functions and what is there for them; empty when all is as it should be. */
  async differences(): Promise<readonly string[]> {
    const functions = await this.#list<FunctionObject>("functions.kubelambda.dev");
    const pods = await this.environments();
    const recipes = await this.#list<OwnedObject>("controllerrevisions");
    return [
      ...functions.flatMap((fn) => differencesOf(fn, pods, recipes)),
      ...orphans(functions, [...pods, ...recipes]),
    ];
  }

  /** Waits until there are no differences. */
  async waitForHarmony(timeoutMs: number): Promise<void> {
    await waitUntil({ what: "pods and recipes to be as functions say", timeoutMs, everyMs: 500 }, async () => {
      const found = await this.differences();
      if (found.length > 0) throw new Error(found.join("; "));
      return true;
    });
  }

  /** Of functions: what waits in the pool is none yet. */
  async environments(): Promise<readonly OwnedObject[]> {
    return await this.#list<OwnedObject>("pods", "-l", `${labels.component}=environment,${labels.functionUid}`);
  }

  async #list<T>(...what: readonly string[]): Promise<readonly T[]> {
    return (JSON.parse(await this.space.kubectl("get", ...what, "-o", "json")) as { items: T[] }).items;
  }
}

function isStaying({ metadata }: OwnedObject): boolean {
  return metadata.deletionTimestamp === undefined;
}

function differencesOf(
  { metadata, status }: FunctionObject,
  pods: readonly OwnedObject[],
  recipes: readonly OwnedObject[],
): readonly string[] {
  const own = (objects: readonly OwnedObject[]): readonly OwnedObject[] =>
    objects.filter(({ metadata: { ownerReferences } }) => ownerReferences?.some(({ uid }) => uid === metadata.uid));
  const found: string[] = [];
  const isReady = status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True");
  if (isReady !== true || status?.observedGeneration !== metadata.generation) found.push("it is not ready");
  const ownPods = own(pods);
  const leaving = ownPods.filter((pod) => pod.metadata.deletionTimestamp !== undefined);
  if (leaving.length > 0) found.push(`${leaving.length} pods are leaving`);
  if (ownPods.length !== (status?.environments ?? 0)) {
    found.push(`${ownPods.length} pods are there, its status says ${status?.environments}`);
  }
  if (ownPods.length !== (status?.readyEnvironments ?? 0)) {
    found.push(`${ownPods.length} pods are there, its status says ${status?.readyEnvironments} are ready`);
  }
  const former = ownPods.filter((pod) => pod.metadata.labels?.[labels.revision] !== status?.revisionID);
  if (former.length > 0) found.push(`${former.length} pods are of a former revision`);
  const ownRecipes = own(recipes).length;
  if (ownRecipes !== 1) found.push(`${ownRecipes} recipes are there, one is needed`);
  return found.map((difference) => `function "${metadata.name}": ${difference}`);
}

/** Whatever no function that is there owns as its controller. */
function orphans(functions: readonly FunctionObject[], objects: readonly OwnedObject[]): readonly string[] {
  const uids = new Set(functions.map(({ metadata }) => metadata.uid));
  return objects
    .filter(({ metadata }) => {
      const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
      return owner?.kind !== "Function" || !uids.has(owner.uid);
    })
    .map(({ metadata }) => `"${metadata.name}" is an orphan`);
}

import { labels } from "../../crds/names.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Clock } from "../../lib/clock.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError, type KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import { controllerOf, keyOf, ownedBy, type Stored } from "../../lib/kubernetes/object.ts";
import { toKubernetesError } from "../../lib/kubernetes/to-kubernetes-error.ts";
import type { Logger } from "../../lib/logger.ts";
import { ConcurrencyLimit } from "../../lib/concurrency-limit.ts";
import { environmentPod } from "../controllers/function/pods.ts";
import { environmentName, type Recipe } from "../controllers/function/recipe.ts";
import type { EnvironmentSettings } from "../environment-settings.ts";
import type { Pod } from "../pod.ts";
import type { EnvironmentFailure } from "./environment-state.ts";
import { provisionedGroup } from "./provisioned.ts";
import type { FunctionScaling } from "./function-scaling.ts";
import type { GenericIDs } from "./generic-ids.ts";
import { RequestPause } from "./request-pause.ts";

export interface EnvironmentHandsOptions {
  readonly client: KubernetesClient;
  readonly pods: ObjectCache<Pod>;
  readonly settings: EnvironmentSettings;
  readonly genericIDs: GenericIDs;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Asked right before each write. */
  readonly mayAct: () => boolean;
  /** Of the routers' roster that the next pod is born under. */
  readonly epoch: () => number;
  /** Something that is needed has no room in the namespace; true: what only waits there goes for it. */
  readonly makeRoom: (namespace: string) => boolean;
  /** A creation failed: the function is to be looked at again. */
  readonly onFailure: (functionUid: string) => void;
  readonly log: Logger;
}

export interface Creation {
  readonly object: Stored<FunctionObject>;
  readonly recipe: Recipe;
  readonly scaling: FunctionScaling;
  /** uid of the environment that it is to replace. */
  readonly replaces?: string;
  /** The version that it is kept ready for; absent: it is made on demand. */
  readonly provisionedFor?: string;
}

const requestsAtOnce = 16;
/** A pod that only waited is gone after about so long, and what it took of a quota is there again. */
const roomMs = 1000;

/** Creates and removes the pods of environments, some at a time, and notes in FunctionScaling what the cache does not show yet. */
export class EnvironmentHands {
  readonly #options: EnvironmentHandsOptions;
  readonly #requests = new ConcurrencyLimit(requestsAtOnce);
  readonly #pause: RequestPause;
  readonly #running = new Set<Promise<void>>();
  readonly #births = new Set<Promise<unknown>>();

  constructor(options: EnvironmentHandsOptions) {
    this.#options = options;
    this.#pause = new RequestPause(options);
  }

  /** Resolves when what is under way has ended. */
  async whenIdle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Environments wait to be made or removed: requests that can wait should. */
  get isBusy(): boolean {
    return this.#requests.waiting > 0;
  }

  create(creation: Creation): void {
    const { object, recipe, scaling, replaces, provisionedFor } = creation;
    const { client, clock, draw, settings, pods, mayAct } = this.#options;
    const { namespace = "", name: functionName } = object.metadata;
    const { revisionID } = recipe.document;
    const name = environmentName(functionName, revisionID, drawName(draw));
    const expected = { name, revisionID: groupOf(creation), replaces };
    scaling.expect({ ...expected, atMs: Infinity });
    this.#run(async () => {
      try {
        const genericID = provisionedFor === undefined ? this.#options.genericIDs.of(recipe) : undefined;
        const shape = { namespace, name, owner: ownedBy(object), recipe, settings, genericID, provisionedFor };
        const made = await this.#pause.run(async () => {
          if (!mayAct()) return undefined;
          scaling.expect({ ...expected, atMs: clock.monotonicMs() });
          // Built anew for every try: it is born under the roster of that moment.
          const born = { epoch: this.#options.epoch(), nowMs: clock.nowMs() };
          const pod = environmentPod({ ...shape, ...born });
          return await this.#bear(client.create(withReplaces(pod, replaces)));
        });
        // The watch may have been faster than the answer.
        if (made === undefined || pods.get(keyOf(made)) !== undefined) scaling.settle(name);
      } catch (thrown) {
        this.#notCreated(creation, name, toKubernetesError(`create pod "${name}"`, thrown));
      }
    });
  }

  remove(scaling: FunctionScaling, pod: Stored<Pod>): void {
    scaling.removing(pod.metadata.uid);
    this.#run(() => this.#remove(scaling, pod));
  }

  /** Removes pods whose Function the API server itself says is gone: our cache of Functions may be behind. */
  removeOrphans(functionUid: string, scaling: FunctionScaling, pods: readonly Stored<Pod>[]): void {
    for (const { metadata } of pods) scaling.removing(metadata.uid);
    this.#run(async () => {
      const [first] = pods;
      const isGone = first !== undefined && (await this.#isFunctionGone(first, functionUid).catch(() => false));
      for (const pod of pods) {
        if (isGone) await this.#remove(scaling, pod);
        else scaling.notRemoved(pod.metadata.uid);
      }
    });
  }

  /** Asks for a pod that should have been seen by now, and no longer expects it when there is none. */
  verify({ metadata: { namespace = "", uid } }: Stored<FunctionObject>, name: string, scaling: FunctionScaling): void {
    this.#run(async () => {
      try {
        await this.#options.client.get({ kind: kinds.pod, namespace, name });
      } catch (error) {
        if (!isKubernetesError(error, "NotFound")) {
          scaling.doubt(name);
          return;
        }
        scaling.settle(name);
        this.#options.onFailure(uid);
      }
    });
  }

  /** Resolves when no creation of a pod born before now is under way. */
  async whenBorn(): Promise<void> {
    await Promise.all(this.#births);
  }

  async #bear(birth: Promise<Stored<Pod>>): Promise<Stored<Pod>> {
    const ended = birth.catch(() => undefined).finally(() => this.#births.delete(ended));
    this.#births.add(ended);
    return await birth;
  }

  #notCreated(creation: Creation, name: string, error: KubernetesError): void {
    const { object, scaling } = creation;
    const { clock, log, onFailure } = this.#options;
    const { namespace = "", name: functionName, uid } = object.metadata;
    // Nobody knows whether it was made: the overdue creation is asked for later.
    if (error.code === "Timeout") return;
    if (error.code === "Unavailable") {
      scaling.doubt(name);
      return;
    }
    scaling.settle(name);
    if (error.code === "AlreadyExists") return;
    if (isQuotaExceeded(error) && this.#options.makeRoom(namespace)) {
      clock.schedule(roomMs, () => onFailure(uid));
      return;
    }
    log.warn("Cannot create an environment", { kind: "Function", namespace, name: functionName, error });
    scaling.fail(
      { revisionID: groupOf(creation), failure: toFailure(error, name), isSlowToMend: true },
      clock.monotonicMs(),
    );
    onFailure(uid);
  }

  async #remove(scaling: FunctionScaling, pod: Stored<Pod>): Promise<void> {
    const { client, log, mayAct } = this.#options;
    const { namespace = "", name, uid } = pod.metadata;
    try {
      if (mayAct()) await client.delete({ kind: kinds.pod, namespace, name }, { uid });
      else scaling.notRemoved(uid);
    } catch (error) {
      // Gone, or another pod by now: the watch will say so.
      if (isKubernetesError(error, "NotFound", "Conflict")) return;
      scaling.notRemoved(uid);
      log.warn("Cannot remove an environment", { kind: "Pod", namespace, name, error });
    }
  }

  async #isFunctionGone(pod: Stored<Pod>, uid: string): Promise<boolean> {
    const name = controllerOf(pod)?.name;
    if (name === undefined) return false;
    try {
      const ref = { kind: functionKind, namespace: pod.metadata.namespace ?? "", name };
      return (await this.#options.client.get(ref)).metadata.uid !== uid;
    } catch (error) {
      if (isKubernetesError(error, "NotFound")) return true;
      throw error;
    }
  }

  #run(task: () => Promise<void>): void {
    const running = this.#requests.run(task).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }
}

function groupOf({ recipe, provisionedFor }: Creation): string {
  const { revisionID } = recipe.document;
  return provisionedFor === undefined ? revisionID : provisionedGroup(revisionID);
}

function withReplaces(pod: Pod, replaces: string | undefined): Pod {
  if (replaces === undefined) return pod;
  const { metadata } = pod;
  return { ...pod, metadata: { ...metadata, labels: { ...metadata.labels, [labels.replaces]: replaces } } };
}

/** The API has no code of its own for a quota that is used up. */
function isQuotaExceeded({ code, serverMessage }: KubernetesError): boolean {
  return code === "Forbidden" && serverMessage.includes("exceeded quota");
}

/** The pod's name is another with each try, so it is left out. */
function toFailure(error: KubernetesError, name: string): EnvironmentFailure {
  const why = error.serverMessage.replaceAll(name, "<environment>").slice(0, 1000);
  return { reason: reasonOf(error), message: `Cannot create an environment: ${why}` };
}

/** What else the API forbids than what a quota has no room for, Pod Security or a limit, stays forbidden. */
function reasonOf(error: KubernetesError): string {
  if (isQuotaExceeded(error)) return "QuotaExceeded";
  const { code } = error;
  return code === "Forbidden" || code === "Invalid" || code === "BadRequest" ? "EnvironmentRefused" : "NotCreated";
}

/** No vowels, so no words; no letters that look like digits. */
const nameCharacters = "bcdfghjklmnpqrstvwxz2456789";

/** The end of a pod's name, five characters. */
export function drawName(draw: () => number): string {
  return Array.from({ length: 5 }, () => nameCharacters[Math.floor(draw() * nameCharacters.length)] ?? "b").join("");
}

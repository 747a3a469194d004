/** What a pod's status says about the environment in it. */
import { annotations, labels } from "../../crds/names.ts";
import { FILL_FAILED_EXIT_CODE } from "../../crds/wire/assignment.ts";
import { isDeepEqual } from "../../lib/kubernetes/deep-equal.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { Pod } from "../pod.ts";
import type { EnvironmentPhase } from "./environment-phase.ts";

/** Why an environment does not come up. */
export interface EnvironmentFailure {
  /** Constant, UpperCamelCase: ImagePullFailed, AssembleFailed, ContainerNotCreated, ContainerNotConfigured, Unschedulable, Crashed, Evicted, QuotaExceeded, EnvironmentRefused, NotCreated. */
  readonly reason: string;
  readonly message: string;
}

export interface EnvironmentState {
  readonly uid: string;
  readonly name: string;
  readonly revisionID: string;
  /** Absent: it stands in for no other revision. */
  readonly configurationID?: string | undefined;
  /** The version that it is kept ready for; absent: it was made on demand. */
  readonly provisionedFor?: string | undefined;
  readonly phase: EnvironmentPhase;
  readonly createdAtMs: number;
  /** uid of the environment that it was made to replace. */
  readonly replaces?: string | undefined;
  /** Its containers were seen running: before, no call can have come to it. */
  readonly hasRun: boolean;
  /** Somebody else takes it away: its node is drained or shuts down, it is preempted, evicted or deleted. */
  readonly isTakenAway?: boolean;
  /** Its node is not heard. */
  readonly isCutOff?: boolean;
  /** Present when it failed, or waits for something that an administrator has to mend. */
  readonly failure?: EnvironmentFailure;
  /** The failure is one of start-up that another try will hardly mend soon. */
  readonly isSlowToMend: boolean;
}

/** Unpacking takes as long as it takes: what the agent could not bring is no crash, whenever it ends. */
function fillFailure(pod: Stored<Pod>): EnvironmentFailure | undefined {
  const status = pod.status?.containerStatuses?.find(
    ({ name, state }) => name === "agent" && state?.terminated?.exitCode === FILL_FAILED_EXIT_CODE,
  );
  if (status === undefined) return undefined;
  const why = oneLine(status.state?.terminated?.message) ?? "no reason given";
  return { reason: "AssembleFailed", message: `The environment cannot get its code: ${why}` };
}

type ContainerStatus = NonNullable<NonNullable<Pod["status"]>["containerStatuses"]>[number];

/** Waiting reasons with which a container will not start without a change; the kubelet's words. */
const hopelessReasons: Readonly<Record<string, string>> = {
  ErrImagePull: "ImagePullFailed",
  ImagePullBackOff: "ImagePullFailed",
  InvalidImageName: "ImagePullFailed",
  ErrImageNeverPull: "ImagePullFailed",
  ImageInspectError: "ImagePullFailed",
  RegistryUnavailable: "ImagePullFailed",
  CreateContainerError: "ContainerNotCreated",
  RunContainerError: "ContainerNotCreated",
};

/** An environment that ends within this time of its start never was one, ms. */
const shortLifeMs = 5000;

/** Classifies a pod of ours; a pod whose containers ended is over, however it ended. */
export function environmentState(pod: Stored<Pod>): EnvironmentState {
  const { uid, name, creationTimestamp } = pod.metadata;
  const revisionID = pod.metadata.labels?.[labels.revision] ?? "";
  const configurationID = pod.metadata.labels?.[labels.configuration];
  const provisionedFor = pod.metadata.labels?.[labels.provisioned];
  const createdAtMs = Date.parse(creationTimestamp);
  const replaces = pod.metadata.labels?.[labels.replaces];
  const kept = provisionedFor === undefined ? {} : { provisionedFor };
  const hasRun = hasStarted(pod);
  const base = { uid, name, revisionID, configurationID, ...kept, createdAtMs, replaces, hasRun, isSlowToMend: false };
  if (pod.metadata.deletionTimestamp !== undefined) return { ...base, phase: "terminating", isTakenAway: true };
  const failure = startFailure(pod) ?? fillFailure(pod);
  if (failure !== undefined) return { ...base, phase: "failed", failure, isSlowToMend: true };
  const ended = endOf(pod);
  // The node's doing, not the function's: it says nothing about the next one.
  if (ended !== undefined && isDisrupted(pod)) return { ...base, phase: "ended", isTakenAway: true };
  if (ended !== undefined) return { ...base, ...ended };
  const unconfigured = configurationFailure(pod);
  if (unconfigured !== undefined) return { ...base, phase: "starting", failure: unconfigured };
  const containers = pod.status?.containerStatuses ?? [];
  const isRunning = containers.length > 0 && containers.every(({ state }) => state?.running !== undefined);
  if (isRunning) return { ...base, phase: "running", ...(isCutOff(pod) && { isCutOff: true }) };
  const unschedulable = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (unschedulable?.status === "False" && unschedulable.reason === "Unschedulable") {
    const message = `No node takes the environment: ${unschedulable.message ?? "no reason given"}`;
    return { ...base, phase: "starting", failure: { reason: "Unschedulable", message } };
  }
  return { ...base, phase: "starting" };
}

/** Anybody can write a function's labels on pods of a namespace of his own. */
export function podsIn(namespace: string | undefined, pods: readonly Stored<Pod>[]): readonly Stored<Pod>[] {
  return pods.every(({ metadata }) => metadata.namespace === namespace)
    ? pods
    : pods.filter(({ metadata }) => metadata.namespace === namespace);
}

/** Whether a pod says nothing else of its environment than before: it changes several times on its way, as when it gets its node. */
export function isSameEnvironment(before: Stored<Pod>, after: Stored<Pod>): boolean {
  const functionOf = ({ metadata }: Stored<Pod>): string | undefined => metadata.labels?.[labels.functionUid];
  return functionOf(before) === functionOf(after) && isDeepEqual(environmentState(before), environmentState(after));
}

function hasStarted({ status }: Stored<Pod>): boolean {
  const containers = status?.containerStatuses ?? [];
  return containers.length > 0 && containers.every(({ state }) => (state?.running ?? state?.terminated) !== undefined);
}

/** Preempted, evicted, or on a node that is drained, shut down or gone. Source: Kubernetes documentation, Pod disruption conditions. */
function isDisrupted({ status }: Stored<Pod>): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "DisruptionTarget" && is === "True") === true;
}

/** The node controller calls a pod not ready whose node is silent; its kubelet would say so of a container. */
function isCutOff({ status }: Stored<Pod>): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "False" && status?.containerStatuses?.every((container) => container.ready) === true;
}

/** The kubelet goes on by itself once the Secret, ConfigMap or key is there, so the environment stays. */
function configurationFailure(pod: Stored<Pod>): EnvironmentFailure | undefined {
  const status = pod.status?.containerStatuses?.find(
    ({ state }) => state?.waiting?.reason === "CreateContainerConfigError",
  );
  if (status === undefined) return undefined;
  const why = oneLine(status.state?.waiting?.message) ?? "no reason given";
  // Of all containers the agent alone is given values.
  const what = status.name === "agent" ? "the variables of environment.valueFrom" : titleOf(pod, status);
  return { reason: "ContainerNotConfigured", message: `Cannot fill in ${what}: ${why}` };
}

function startFailure(pod: Stored<Pod>): EnvironmentFailure | undefined {
  const assembled = pod.status?.initContainerStatuses?.find(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0);
  if (assembled !== undefined) {
    const terminated = assembled.state?.terminated;
    const why = oneLine(terminated?.message) ?? `exit code ${terminated?.exitCode ?? "unknown"}`;
    return { reason: "AssembleFailed", message: `The environment cannot get its code: ${why}` };
  }
  for (const status of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const waiting = status.state?.waiting;
    const reason = hopelessReasons[waiting?.reason ?? ""];
    if (reason === undefined) continue;
    const why = oneLine(waiting?.message) ?? "no reason given";
    const message = `${titleOf(pod, status)} does not start with image "${status.image}": ${waiting?.reason ?? ""}: ${why}`;
    return { reason, message };
  }
  return undefined;
}

function endOf(pod: Stored<Pod>): Pick<EnvironmentState, "phase" | "failure"> | undefined {
  const phase = pod.status?.phase;
  const ended = (pod.status?.containerStatuses ?? []).filter(({ state }) => state?.terminated !== undefined);
  const isOver = ended.length > 0 || phase === "Failed" || phase === "Succeeded";
  if (!isOver) return undefined;
  const crashed = ended.find((status) => isCrash(status));
  if (crashed !== undefined) {
    const terminated = crashed.state?.terminated;
    const why = `${terminated?.reason ?? "Error"}, exit code ${terminated?.exitCode ?? "unknown"}`;
    const detail = oneLine(terminated?.message);
    const message = `${titleOf(pod, crashed)} ended right after its start: ${why}${detail === undefined ? "" : `: ${detail}`}`;
    return { phase: "ended", failure: { reason: "Crashed", message } };
  }
  if (phase === "Failed" && ended.length === 0) {
    const why = oneLine(pod.status?.message) ?? pod.status?.reason ?? "no reason given";
    return {
      phase: "ended",
      failure: { reason: pod.status?.reason ?? "PodFailed", message: `The environment's pod failed: ${why}` },
    };
  }
  return { phase: "ended" };
}

/** An extension's container by the file that it runs, too. */
function titleOf({ metadata }: Stored<Pod>, { name }: ContainerStatus): string {
  const sockets = parseSockets(metadata.annotations?.[annotations.extensions]);
  const [file] = Object.entries(sockets).find(([, socket]) => socket.includes(`/${name}/`)) ?? [];
  return file === undefined ? `Container "${name}"` : `Container "${name}" of extension "${file}"`;
}

/** Somebody else may have written to the annotation. */
function parseSockets(text = "{}"): Readonly<Record<string, string>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, socket]) => typeof socket === "string"));
  } catch {
    return {};
  }
}

function isCrash({ state }: ContainerStatus): boolean {
  const { exitCode = 0, startedAt, finishedAt } = state?.terminated ?? {};
  if (exitCode === 0) return false;
  if (startedAt === undefined || finishedAt === undefined) return true;
  return Date.parse(finishedAt) - Date.parse(startedAt) < shortLifeMs;
}

/** The first 500 characters in one line; undefined when there is nothing. */
function oneLine(text: string | undefined): string | undefined {
  const line = (text ?? "").replaceAll(/\s+/g, " ").trim().slice(0, 500);
  return line === "" ? undefined : line;
}

/** A pod's volumes as folders, and its containers' variables with paths that hold on this machine. */
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";
import type { LocalIdentity } from "./identity.ts";
import type { Container, EnvVar, KeyRef, PodObject, Volume } from "./pod.ts";

export interface VolumesOptions {
  readonly pod: Stored<PodObject>;
  /** Below which the volumes' folders are. */
  readonly directory: string;
  readonly identity: LocalIdentity;
  /** Name of a PersistentVolumeClaim → the folder that stands for it. */
  readonly fileSystems: ReadonlyMap<string, string>;
}

/** Makes a folder for each volume below `directory`, with the tokens that a kubelet would project; claims stand for folders that are there. */
export async function makeVolumes({ pod, directory, identity, fileSystems }: VolumesOptions): Promise<void> {
  for (const volume of pod.spec.volumes ?? []) {
    const folder = join(directory, volume.name);
    const claimed = fileSystems.get(volume.persistentVolumeClaim?.claimName ?? "");
    if (claimed !== undefined) {
      await mkdir(directory, { recursive: true });
      await symlink(claimed, folder);
      continue;
    }
    await mkdir(folder, { recursive: true });
    // An emptyDir is open to every user of its pod; the pod's own folder keeps other users of the machine out.
    if (volume.emptyDir !== undefined) await chmod(folder, 0o777);
    await writeTokens(pod, folder, volume, identity);
  }
}

async function writeTokens(
  pod: Stored<PodObject>,
  folder: string,
  volume: Volume,
  identity: LocalIdentity,
): Promise<void> {
  for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
    if (serviceAccountToken === undefined) continue;
    const token = await identity.issue(serviceAccountToken.audience ?? "", {
      namespace: pod.metadata.namespace ?? "default",
      serviceAccount: pod.spec.serviceAccountName ?? "default",
      podName: pod.metadata.name,
      podUid: pod.metadata.uid,
    });
    const file = join(folder, serviceAccountToken.path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, token, { mode: 0o600 });
  }
}

/** Where a container's path is on this machine: below the folder of the volume that is mounted there. */
export function hostPath(container: Container, directory: string, path: string): string {
  const mount = [...(container.volumeMounts ?? [])]
    .sort((a, b) => b.mountPath.length - a.mountPath.length)
    .find(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`));
  return mount === undefined ? path : join(directory, mount.name, path.slice(mount.mountPath.length));
}

export interface VariablesOptions {
  readonly client: KubernetesClient;
  readonly pod: Stored<PodObject>;
  readonly container: Container;
  /** Below which the volumes' folders are. */
  readonly directory: string;
}

/** The container's variables as a kubelet fills them, values that are paths of mounts turned into this machine's. */
export async function containerVariables({
  client,
  pod,
  container,
  directory,
}: VariablesOptions): Promise<Record<string, string>> {
  const entries = await Promise.all(
    (container.env ?? []).map(async (variable) => {
      const value = await valueOf(client, pod, variable);
      if (value === undefined) return [];
      return [[variable.name, variable.value === undefined ? value : hostPath(container, directory, value)] as const];
    }),
  );
  return Object.fromEntries(entries.flat());
}

async function valueOf(
  client: KubernetesClient,
  pod: Stored<PodObject>,
  { value, valueFrom }: EnvVar,
): Promise<string | undefined> {
  if (valueFrom?.fieldRef !== undefined) return fieldOf(pod, valueFrom.fieldRef.fieldPath);
  if (valueFrom?.secretKeyRef !== undefined) return await keyOf(client, pod, kinds.secret, valueFrom.secretKeyRef);
  if (valueFrom?.configMapKeyRef !== undefined)
    return await keyOf(client, pod, kinds.configMap, valueFrom.configMapKeyRef);
  return value;
}

function fieldOf({ metadata }: Stored<PodObject>, path: string): string | undefined {
  const annotation = /^metadata\.annotations\['(.+)'\]$/.exec(path)?.[1];
  if (annotation !== undefined) return metadata.annotations?.[annotation] ?? "";
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "status.podIP": "127.0.0.1",
  };
  return fields[path];
}

async function keyOf(
  client: KubernetesClient,
  pod: PodObject,
  kind: typeof kinds.secret | typeof kinds.configMap,
  ref: KeyRef,
): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? "default";
  const object = await client
    .get<KubernetesObject & KeyedData>({ kind, namespace, name: ref.name })
    .catch(() => undefined);
  const encoded = object?.data?.[ref.key];
  const value =
    object?.stringData?.[ref.key] ??
    (kind === kinds.secret && encoded !== undefined ? Buffer.from(encoded, "base64").toString() : encoded);
  if (value !== undefined || ref.optional === true) return value;
  if (object === undefined) throw new MissingValueError(`${kind.kind.toLowerCase()} "${ref.name}" not found`);
  throw new MissingValueError(`couldn't find key ${ref.key} in ${kind.kind} ${namespace}/${ref.name}`);
}

/** A variable names a Secret, ConfigMap or key that is not there; worded as a kubelet words it. */
export class MissingValueError extends Error {}

interface KeyedData {
  readonly data?: Readonly<Record<string, string>>;
  readonly stringData?: Readonly<Record<string, string>>;
}

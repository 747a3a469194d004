/** A function's file systems in its pod: PersistentVolumeClaims of its namespace, below /mnt, for function and extensions. Pure. */
import { functionUserId } from "../../environment-settings.ts";
import type { Pod } from "../../pod.ts";
import type { Recipe } from "./recipe.ts";

type Volume = NonNullable<Pod["spec"]["volumes"]>[number];
type Mount = NonNullable<Pod["spec"]["containers"][number]["volumeMounts"]>[number];

export interface FileSystems {
  readonly volumes: readonly Volume[];
  readonly mounts: readonly Mount[];
  /** Of the pod. */
  readonly securityContext: NonNullable<Pod["spec"]["securityContext"]>;
}

/**
 * A new block volume is root's: where its driver lets the kubelet, it gets the function's group. That changes nothing on shared
 * file systems (NFS, EFS): their owner says who may write. Source: Kubernetes documentation, CSIDriver, fsGroupPolicy.
 */
export function fileSystems({ fileSystems: claims = [] }: Recipe): FileSystems {
  if (claims.length === 0) return { volumes: [], mounts: [], securityContext: {} };
  const named = claims.map((claim, index) => ({ ...claim, name: `file-system-${index + 1}` }));
  return {
    volumes: named.map(({ name, claimName }) => ({ name, persistentVolumeClaim: { claimName } })),
    mounts: named.map(({ name, mountPath }) => ({ name, mountPath })),
    securityContext: { fsGroup: functionUserId, fsGroupChangePolicy: "OnRootMismatch" },
  };
}

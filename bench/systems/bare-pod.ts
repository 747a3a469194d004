import type { Pod } from "../../operator/pod.ts";

export interface BarePodInput {
  readonly name: string;
  readonly namespace: string;
  /** An execution environment: image, node placement, resources and security are taken from it. */
  readonly model: Pod;
  /** Where it calls. */
  readonly home: { readonly host: string; readonly port: number };
}

/** The least pod of the same quality of service: one container of the runtime's image, no volume, which says its name over TCP and ends. */
export function barePod({ name, namespace, model, home }: BarePodInput): Pod {
  const { spec } = model;
  const runtime = spec.containers.find((container) => container.name === "runtime");
  if (runtime?.image === undefined) throw new Error(`Cannot copy pod "${model.metadata.name}": no container "runtime"`);
  const { image, imagePullPolicy, securityContext, resources } = runtime;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace },
    spec: {
      restartPolicy: "Never",
      enableServiceLinks: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 1,
      ...(spec.securityContext !== undefined && { securityContext: spec.securityContext }),
      ...(spec.resources !== undefined && { resources: spec.resources }),
      ...(spec.nodeSelector !== undefined && { nodeSelector: spec.nodeSelector }),
      containers: [
        {
          name: "home",
          image,
          command: ["bash", "-c", `exec 3<>/dev/tcp/${home.host}/${home.port}; echo "$0" >&3`, name],
          ...(imagePullPolicy !== undefined && { imagePullPolicy }),
          ...(securityContext !== undefined && { securityContext }),
          ...(resources !== undefined && { resources }),
        },
      ],
    },
  };
}

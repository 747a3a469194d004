import { labels } from "../../crds/names.ts";
import { runtimeImages } from "./image.ts";
import type { Space } from "./space.ts";

interface Pod {
  readonly metadata: {
    readonly namespace: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly resources?: Resources;
    readonly containers: readonly { readonly resources?: Resources }[];
  };
  readonly status: { readonly phase: string };
}
interface Resources {
  readonly requests?: { readonly memory?: string };
}

/** Less than any environment requests. */
const slackBytes = 16 * 1024 * 1024;

/**
 * Bytes of the node's memory that only environments, what fetches for them and what is about to go request, and a little less.
 * What goes while a test looks at the room would make more of it: so do namespaces of earlier tests, and the pool.
 */
export async function roomLeft({ system: { kubectl } }: Space): Promise<number> {
  const allocatable = await kubectl(["get", "nodes", "-o", "jsonpath={.items[0].status.allocatable.memory}"]);
  const going = ["get", "namespaces", "-o", 'jsonpath={.items[?(@.status.phase=="Terminating")].metadata.name}'];
  const ending = new Set((await kubectl(going)).split(" "));
  const { items } = JSON.parse(await kubectl(["get", "pods", "-A", "-o", "json"])) as { items: Pod[] };
  const stay = items.filter(({ metadata: { namespace, deletionTimestamp, labels: own }, status: { phase } }) => {
    const isGoing = deletionTimestamp !== undefined || ending.has(namespace);
    return !isGoing && own?.[labels.component] === undefined && phase !== "Succeeded" && phase !== "Failed";
  });
  const used = stay.reduce((sum, { spec }) => sum + requestOf(spec), 0);
  return parseBytes(allocatable) - used - slackBytes;
}

/** A pod that does nothing and has that much of the memory promised. */
export function bigPod(name: string, priorityClassName: string, bytes: number): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      priorityClassName,
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 10_003, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name: "sleeper",
          image: runtimeImages["nodejs24.x"],
          command: ["/var/lang/bin/node", "-e", "setInterval(() => {}, 1e6)"],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          resources: { requests: { memory: String(bytes) } },
        },
      ],
    },
  };
}

/** The pod's own request, where it has one, is that of all its containers. */
function requestOf({ resources, containers }: Pod["spec"]): number {
  const own = resources?.requests?.memory;
  if (own !== undefined) return parseBytes(own);
  return containers.reduce((sum, container) => sum + parseBytes(container.resources?.requests?.memory ?? "0"), 0);
}

/** Source: Kubernetes, "Resource units": of the suffixes those that our pods and kubelets use. */
function parseBytes(quantity: string): number {
  const [, digits = "", suffix = ""] = /^(\d+)(Ki|Mi|Gi|k|M|G)?$/.exec(quantity) ?? [];
  if (digits === "") throw new Error(`Cannot read the quantity "${quantity}"`);
  const factors: Record<string, number> = { "": 1, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  return Number(digits) * (factors[suffix] ?? 1);
}

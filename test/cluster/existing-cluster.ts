import type { Cluster, Registry } from "./any-cluster.ts";
import { RunError, run } from "./run.ts";

export interface ExistingClusterOptions {
  /** As KUBECONFIG has it: one path, or several with colons between. */
  readonly kubeconfig: string;
  readonly clients: Pick<Cluster, "kubectl" | "helm" | "aws">;
  readonly stateDir: string;
}

/**
 * The user's own cluster. KUBELAMBDA_LOAD_IMAGE is a command that takes an image archive's path as its last word ("kind load
 * image-archive", "minikube image load"); KUBELAMBDA_REGISTRY is `<push host>,<pull host>` of a registry.
 */
export async function startExistingCluster(options: ExistingClusterOptions): Promise<Cluster> {
  const { kubeconfig, clients, stateDir } = options;
  try {
    await run(clients.kubectl, ["get", "--raw", "/readyz"], { env: { KUBECONFIG: kubeconfig }, timeoutMs: 20_000 });
  } catch (cause) {
    const reason = cause instanceof RunError ? cause.output.trim() : (cause as Error).message;
    throw new Error(`Cannot use the cluster of KUBECONFIG "${kubeconfig}": ${reason}; unset it to have one started`, {
      cause,
    });
  }
  return {
    ...clients,
    ...notOurs("existing"),
    kind: "existing",
    kubeconfig,
    stateDir,
    get registry() {
      return registryFrom(process.env["KUBELAMBDA_REGISTRY"] ?? "");
    },
    loadImage: (archive) => loadByCommand(process.env["KUBELAMBDA_LOAD_IMAGE"] ?? "", archive),
    stop: () => Promise.resolve(),
  };
}

/** What can be done only to processes that we run ourselves. */
export function notOurs(
  kind: string,
): Pick<Cluster, "restartComponent" | "killComponent" | "startComponent" | "pauseComponent" | "resumeComponent"> {
  const refusal = (name: string): Error =>
    new Error(`Cannot stop or start "${name}": the cluster is of kind "${kind}", only "own" allows it`);
  const refuse = (name: string): Promise<void> => Promise.reject(refusal(name));
  const refuseNow = (name: string): void => {
    throw refusal(name);
  };
  return {
    ...{ restartComponent: refuse, killComponent: refuse, startComponent: refuse },
    ...{ pauseComponent: refuseNow, resumeComponent: refuseNow },
  };
}

function registryFrom(setting: string): Registry {
  const [pushHost, pullHost] = setting.split(",");
  if (pushHost === undefined || pullHost === undefined) {
    throw new Error(`Cannot use a registry: KUBELAMBDA_REGISTRY is "${setting}", it must be "<push host>,<pull host>"`);
  }
  return { pushHost, pullHost };
}

async function loadByCommand(command: string, archive: string): Promise<void> {
  const [program, ...args] = command.split(/\s+/);
  if (program === undefined || program === "") {
    throw new Error(
      `Cannot load image archive "${archive}": KUBELAMBDA_LOAD_IMAGE is not set; ` +
        `it must be a command that takes the archive's path, such as "kind load image-archive"`,
    );
  }
  await run(program, [...args, archive], { timeoutMs: 300_000 });
}

import type * as own from "./own-cluster.ts";

/** A Kubernetes for tests, whichever it is. */
export interface Cluster {
  /** "existing": of KUBECONFIG; "k3s": in Docker; "own": built and run here. */
  readonly kind: "existing" | "k3s" | "own";
  /** Path; its user is an administrator. */
  readonly kubeconfig: string;
  /** Paths of the real clients. */
  readonly kubectl: string;
  readonly helm: string;
  readonly aws: string;
  /** Where logs of the cluster are kept, or would be. */
  readonly stateDir: string;
  /** Plain HTTP, `host:port`: where tests push, and the name under which the node and pods pull. Throws where there is none. */
  readonly registry: Registry;
  /** Makes the images of a docker or OCI archive usable in pods, under the names in it. */
  loadImage(archive: string): Promise<void>;
  /** Kills a part of the cluster and starts it again; rejects where that is not ours to do (all but "own"). */
  restartComponent(name: own.DaemonName): Promise<void>;
  /** SIGKILL; the counterpart is startComponent. Only "own". */
  killComponent(name: own.DaemonName): Promise<void>;
  startComponent(name: own.DaemonName): Promise<void>;
  /** SIGSTOP; the counterpart is resumeComponent. Only "own". */
  pauseComponent(name: own.DaemonName): void;
  resumeComponent(name: own.DaemonName): void;
  /** Takes down what startCluster() started; a cluster that was up before stays up. */
  stop(): Promise<void>;
}

export interface Registry {
  readonly pushHost: string;
  readonly pullHost: string;
}

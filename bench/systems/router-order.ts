import type { Roster } from "../../crds/wire/roster.ts";

/** What a router process is started with. */
export interface RouterOrder {
  /** How many pods there are: the i-th belongs to function i modulo `functionsWithPods`. */
  readonly environments: number;
  readonly operatorUrl: string;
  /** Of the first function; absent: it has none. */
  readonly functionUrl?: string;
  /** Default 1: `bench`, then `bench-1`, `bench-2` … */
  readonly functions?: number;
  /** Default: all of them. */
  readonly functionsWithPods?: number;
  /** One of several; absent: it is alone and owns everything. */
  readonly replica?: BenchReplica;
  /** Absent: nobody is asked who it is. */
  readonly credentials?: BenchCredentials;
  /** Most bytes of answers in memory; absent: the product's default. */
  readonly answerMemoryBytes?: number;
}

export interface BenchReplica {
  readonly podUid: string;
  readonly internalPort: number;
  readonly roster: Roster;
  /** PEM of the private key that all replicas share. */
  readonly signingKey: string;
}

/** Whom the router lets in: a bearer token that its API server takes, and an access key. */
export interface BenchCredentials {
  readonly token: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface RouterThere {
  readonly invokePort: number;
  readonly internalPort: number;
  readonly routerKey: string;
  /** Of the first function. */
  readonly functionUid: string;
  readonly revisionID: string;
  readonly functionNames: readonly string[];
  readonly podUids: readonly string[];
}

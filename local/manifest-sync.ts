/** Keeps the object store as the folder's manifests say: applies what is there, removes what is gone. */
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { refOf, type KindTable } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject, ObjectRef } from "../lib/kubernetes/object.ts";
import { readManifests, type Manifest, type ManifestProblem } from "./manifests.ts";

/** The object with defaults filled in, or what is wrong with it, worded as the API server words it. */
export type Parsed =
  { readonly ok: true; readonly value: KubernetesObject } | { readonly ok: false; readonly error: string };

export interface ManifestSyncOptions {
  readonly client: KubernetesClient;
  readonly folder: string;
  readonly kindOf: KindTable;
  /** Checks an object as an API server would; undefined: a kind that local mode has no use for. */
  readonly parse: (manifest: Manifest, current: KubernetesObject | undefined) => Parsed | undefined;
  readonly onProblem: (problem: ManifestProblem) => void;
}

const defaultNamespace = "default";
const fieldManager = "kubelambda-local";

export class ManifestSync {
  readonly #options: ManifestSyncOptions;
  #applied = new Map<string, ObjectRef>();
  #shownProblems = new Set<string>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: ManifestSyncOptions) {
    this.#options = options;
  }

  /** Reads the folder and makes it so; calls queue up. A problem is told once, until it changes. */
  sync(): Promise<void> {
    this.#running = this.#running.catch(() => undefined).then(() => this.#sync());
    return this.#running;
  }

  async #sync(): Promise<void> {
    const { folder, onProblem } = this.#options;
    const { manifests, problems } = await readManifests(folder);
    const found = [...problems];
    const applied = new Map<string, ObjectRef>();
    for (const { where, manifest } of manifests) {
      const problem = await this.#apply(manifest, applied);
      if (problem !== undefined) found.push({ where, message: problem });
    }
    // What is broken now was not deleted: the last good state of a file with a mistake goes on.
    if (found.length === 0) await this.#removeAllBut(applied);
    this.#applied = found.length === 0 ? applied : new Map([...this.#applied, ...applied]);
    const shown = new Set(found.map(({ where, message }) => `${where}: ${message}`));
    for (const problem of found)
      if (!this.#shownProblems.has(`${problem.where}: ${problem.message}`)) onProblem(problem);
    this.#shownProblems = shown;
  }

  async #apply(manifest: Manifest, applied: Map<string, ObjectRef>): Promise<string | undefined> {
    const { client, kindOf, parse } = this.#options;
    const wanted = withNamespace(manifest);
    const parsed = parse(wanted, await this.#current(wanted));
    if (parsed === undefined) return undefined;
    if (!parsed.ok) return `${manifest.kind} "${manifest.metadata.name}" is invalid: ${parsed.error}`;
    const { status: _status, ...object } = parsed.value;
    const ref = refOf(kindOf(object), object);
    const key = `${object.kind}/${ref.namespace ?? ""}/${ref.name}`;
    if (applied.has(key)) return `${manifest.kind} "${manifest.metadata.name}" is defined twice: rename one`;
    applied.set(key, ref);
    await client.apply(object, { fieldManager, force: true });
    return undefined;
  }

  async #current(manifest: Manifest): Promise<KubernetesObject | undefined> {
    const { namespace, name } = manifest.metadata;
    const known = this.#applied.get(`${manifest.kind}/${namespace ?? ""}/${name}`);
    if (known === undefined) return undefined;
    return await this.#options.client.get(known).catch(() => undefined);
  }

  async #removeAllBut(applied: ReadonlyMap<string, ObjectRef>): Promise<void> {
    for (const [key, ref] of this.#applied) {
      if (applied.has(key)) continue;
      await this.#options.client.delete(ref).catch((error: unknown) => {
        if (!isKubernetesError(error, "NotFound")) throw error;
      });
    }
  }
}

function withNamespace(manifest: Manifest): Manifest {
  return {
    ...manifest,
    metadata: { ...manifest.metadata, namespace: manifest.metadata.namespace ?? defaultNamespace },
  };
}

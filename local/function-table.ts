/** Shows each function once it is ready, with the time that took, or why it is not. */
import { aliasKind, type AliasObject } from "../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../crds/v1alpha1/function.ts";
import { keyOf, type Stored } from "../lib/kubernetes/object.ts";
import { fileSystemProblem, type FileSystemPlace, type WantedFileSystem } from "./file-systems.ts";
import type { ObjectStore } from "./object-store.ts";
import type { Runtimes } from "./runtimes.ts";
import type { TableRow, Terminal } from "./terminal.ts";

const gatherMs = 150;

export interface FunctionTableOptions {
  readonly store: ObjectStore;
  readonly runtimes: Runtimes;
  readonly place: FileSystemPlace;
  readonly terminal: Terminal;
  /** `http://host:port` of the Invoke API. */
  readonly baseUrl: string;
  /** Milliseconds that only rise. */
  readonly nowMs: () => number;
}

export class FunctionTable {
  readonly #options: FunctionTableOptions;
  /** When the generation was first seen, and what was shown of it. */
  readonly #seen = new Map<string, { generation: number; sinceMs: number; shown: string }>();

  readonly #troubles = new Map<string, string>();
  readonly #rows: TableRow[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FunctionTableOptions) {
    this.#options = options;
  }

  start(signal: AbortSignal): void {
    for (const watching of [this.#watch(signal), this.#watchAliases(signal)]) {
      watching.catch((error: unknown) => {
        if (!signal.aborted) this.#options.terminal.note(`The table of functions stops here: ${String(error)}`);
      });
    }
  }

  async #watchAliases(signal: AbortSignal): Promise<void> {
    const selection = { resourceVersion: "1", signal };
    for await (const event of this.#options.store.watch<AliasObject & { readonly metadata: Stored["metadata"] }>(
      aliasKind,
      selection,
    )) {
      if (event.type === "ADDED" || event.type === "MODIFIED") this.#showAlias(event.object);
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.store.watch<FunctionObject & { readonly metadata: Stored["metadata"] }>(
      functionKind,
      { resourceVersion: "1", signal },
    )) {
      if (event.type === "BOOKMARK") continue;
      if (event.type === "DELETED") this.#forget(event.object);
      else await this.#show(event.object);
    }
  }

  #forget(object: FunctionObject): void {
    this.#seen.delete(keyOf(object));
    this.#troubles.delete(keyOf(object));
    this.#options.terminal.note(`${nameOf(object)} is gone`);
  }

  async #show(object: FunctionObject): Promise<void> {
    const { runtimes, place, nowMs, baseUrl } = this.#options;
    this.#showTrouble(object);
    const generation = object.metadata.generation ?? 0;
    const key = keyOf(object);
    const known = this.#seen.get(key);
    const entry = known?.generation === generation ? known : { generation, sinceMs: nowMs(), shown: "" };
    this.#seen.set(key, entry);
    const ready = object.status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.observedGeneration !== generation) return;
    const isStalled =
      object.status?.conditions?.some(({ type, status }) => type === "Stalled" && status === "True") === true;
    if (ready.status !== "True" && !isStalled) return;
    const runtime = await runtimes.prepare(object.spec.runtime ?? "provided");
    const took = `${((nowMs() - entry.sinceMs) / 1000).toFixed(1)} s`;
    const problem = (runtime.ok ? undefined : runtime.message) ?? fileSystemProblem(wantedFileSystems(object), place);
    const outcome = ready.status !== "True" ? ready.message : (problem ?? took);
    const isReady = ready.status === "True" && problem === undefined;
    const functionUrls = urlsOf(object);
    const shown = isReady ? ["ready", ...functionUrls].join(" ") : outcome;
    if (entry.shown === shown) return;
    entry.shown = shown;
    const url = `${baseUrl}/2015-03-31/functions/${nameOf(object)}/invocations`;
    this.#add({
      name: nameOf(object),
      runtime: object.spec.packageType === "Image" ? "image" : (object.spec.runtime ?? ""),
      ready: isReady ? took : "no",
      urls: isReady ? [url, ...functionUrls] : [outcome],
    });
  }

  /** What keeps environments from coming up, once. */
  #showTrouble(object: FunctionObject): void {
    const key = keyOf(object);
    const health = object.status?.conditions?.find(({ type }) => type === "EnvironmentsHealthy");
    const trouble = health?.status === "False" ? health.message : undefined;
    if (trouble !== undefined && trouble !== this.#troubles.get(key))
      this.#options.terminal.problem(nameOf(object), trouble);
    if (trouble === undefined) this.#troubles.delete(key);
    else this.#troubles.set(key, trouble);
  }

  /** An alias that has a URL of its own. */
  #showAlias(object: AliasObject): void {
    const { name = "", functionName = "", functionURL = "" } = object.status ?? {};
    const key = `alias ${keyOf(object)}`;
    const isShown = this.#seen.get(key)?.shown === functionURL;
    this.#seen.set(key, { generation: 0, sinceMs: 0, shown: functionURL });
    if (functionURL === "" || isShown) return;
    const target = `${functionName}:${name}`;
    const url = `${this.#options.baseUrl}/2015-03-31/functions/${target}/invocations`;
    this.#add({ name: target, runtime: "alias", ready: "", urls: [url, functionURL] });
  }

  /** Functions get ready one by one: those of one moment are shown as one table. */
  #add(row: TableRow): void {
    this.#rows.push(row);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const rows = this.#rows.splice(0).sort((a, b) => (a.name < b.name ? -1 : 1));
      this.#options.terminal.table(rows);
    }, gatherMs);
  }
}

function wantedFileSystems({ spec }: FunctionObject): readonly WantedFileSystem[] {
  return (spec.fileSystemConfigs ?? []).map(({ persistentVolumeClaim, localMountPath }) => ({
    claimName: persistentVolumeClaim?.name ?? "",
    mountPath: localMountPath,
  }));
}

function urlsOf({ status }: FunctionObject): readonly string[] {
  return status?.functionURL === undefined ? [] : [status.functionURL];
}

function nameOf({ spec, metadata }: FunctionObject): string {
  return spec.name ?? metadata.name;
}

/** Numbers of a namespace that are given once: they survive whatever they were given to. */
import type { KubernetesClient, RequestOptions } from "../lib/kubernetes/client.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject, OwnerReference, Stored } from "../lib/kubernetes/object.ts";
import { giveNumber, LEDGER_NAME, type LedgerData, type NumberGiven, type NumberWanted } from "./ledger-entry.ts";

export { LEDGER_NAME };

interface LedgerObject extends KubernetesObject {
  readonly data?: LedgerData;
}

export interface TakeNumber extends NumberWanted {
  readonly namespace: string;
}

/** A number; undefined: the claimed one was given to another. An error is of an entry that cannot be read. */
type Taken = { readonly ok: true; readonly number: number | undefined } | { readonly ok: false; readonly error: Error };

interface Waiting {
  readonly wanted: TakeNumber;
  readonly resolve: (number: number | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Others write to the same object now and then; so many lost races in a row are no race any more. */
const mostAttempts = 20;

/**
 * Gives numbers: the next, or the claimed one, once it is written down: who dies before using it has lost it, and nobody else gets it.
 * All that are wanted in a namespace meanwhile are written together, for by themselves they would race for the one object.
 */
export class Ledger {
  readonly #client: KubernetesClient;
  readonly #signal: AbortSignal | undefined;
  readonly #waitingByNamespace = new Map<string, Waiting[]>();

  constructor(client: KubernetesClient, signal?: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  /** Undefined: the claimed number was given to another. Rejects with KubernetesError, and Error when an entry cannot be read. */
  async take(wanted: TakeNumber): Promise<number | undefined> {
    return await new Promise((resolve, reject) => {
      const waiting = { wanted, resolve, reject };
      const others = this.#waitingByNamespace.get(wanted.namespace);
      if (others !== undefined) {
        others.push(waiting);
        return;
      }
      this.#waitingByNamespace.set(wanted.namespace, [waiting]);
      void this.#serve(wanted.namespace);
    });
  }

  /** Ends when nobody waits. */
  async #serve(namespace: string): Promise<void> {
    // What is asked for in the same turn goes together.
    await Promise.resolve();
    for (;;) {
      const batch = this.#waitingByNamespace.get(namespace)?.splice(0) ?? [];
      if (batch.length === 0) break;
      await this.#takeAll(namespace, batch);
    }
    this.#waitingByNamespace.delete(namespace);
  }

  async #takeAll(namespace: string, batch: readonly Waiting[]): Promise<void> {
    try {
      const wanted = batch.map((each) => each.wanted);
      const all = await takeNumbers(this.#client, namespace, wanted, this.#signal);
      for (const [i, taken] of all.entries()) {
        if (taken.ok) batch[i]?.resolve(taken.number);
        else batch[i]?.reject(taken.error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

async function takeNumbers(
  client: KubernetesClient,
  namespace: string,
  wanted: readonly TakeNumber[],
  signal: AbortSignal | undefined,
): Promise<readonly Taken[]> {
  const options = { ...(signal !== undefined && { signal }) };
  for (let attempt = 1; ; attempt++) {
    try {
      const ledger = await find(client, namespace, options);
      const { all, changes } = giveAll(ledger?.data ?? {}, wanted);
      await write(client, { namespace, ledger, changes, options });
      return all;
    } catch (error) {
      // Another write came between, or the object came or went.
      const isLostRace = isKubernetesError(error, "Conflict", "AlreadyExists", "NotFound");
      if (!isLostRace || attempt === mostAttempts) throw error;
    }
  }
}

/** Each as if the former had been written already. */
function giveAll(data: LedgerData, wanted: readonly NumberWanted[]) {
  const all: Taken[] = [];
  const changes: Record<string, string | null> = {};
  const then = { ...data };
  for (const each of wanted) {
    try {
      const given = giveNumber(then, each);
      Object.assign(changes, given?.changes);
      change(then, given?.changes ?? {});
      all.push({ ok: true, number: given?.number });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      all.push({ ok: false, error: new Error(`Cannot take a number: ${why}`, { cause }) });
    }
  }
  return { all, changes };
}

/** As a merge patch changes it. */
function change(data: Record<string, string>, changes: NumberGiven["changes"]): Readonly<Record<string, string>> {
  for (const [entry, value] of Object.entries(changes)) {
    if (value === null) Reflect.deleteProperty(data, entry);
    else data[entry] = value;
  }
  return data;
}

/** The ledger as an owner of what belongs to a namespace and to nothing in it; made where it is not there yet. */
export async function ledgerOwner(client: KubernetesClient, namespace: string): Promise<OwnerReference> {
  const found = await find(client, namespace, {});
  const ledger = found ?? (await create(client, namespace));
  const { name, uid } = ledger.metadata;
  return { apiVersion: "v1", kind: "ConfigMap", name, uid, controller: true };
}

async function create(client: KubernetesClient, namespace: string): Promise<Stored<LedgerObject>> {
  try {
    const metadata = { namespace, name: LEDGER_NAME };
    return await client.create<LedgerObject>({ apiVersion: "v1", kind: "ConfigMap", metadata, data: {} });
  } catch (error) {
    const other = isKubernetesError(error, "AlreadyExists") ? await find(client, namespace, {}) : undefined;
    if (other === undefined) throw error;
    return other;
  }
}

async function find(
  client: KubernetesClient,
  namespace: string,
  options: RequestOptions,
): Promise<Stored<LedgerObject> | undefined> {
  try {
    return await client.get<LedgerObject>({ kind: kinds.configMap, namespace, name: LEDGER_NAME }, options);
  } catch (error) {
    if (isKubernetesError(error, "NotFound")) return undefined;
    throw error;
  }
}

interface Writing {
  readonly namespace: string;
  readonly ledger: Stored<LedgerObject> | undefined;
  readonly changes: NumberGiven["changes"];
  readonly options: RequestOptions;
}

async function write(client: KubernetesClient, { namespace, ledger, changes, options }: Writing): Promise<void> {
  if (Object.keys(changes).length === 0) return;
  if (ledger === undefined) {
    const metadata = { namespace, name: LEDGER_NAME };
    await client.create({ apiVersion: "v1", kind: "ConfigMap", metadata, data: change({}, changes) }, options);
    return;
  }
  const { resourceVersion } = ledger.metadata;
  const ref = { kind: kinds.configMap, namespace, name: LEDGER_NAME };
  await client.patch(ref, { metadata: { resourceVersion }, data: changes }, options);
}

/** Numbers of a namespace that are given once: they survive whatever they were given to. */
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";

/** One ConfigMap a namespace: entry → the last number that was given. Nobody owns it. */
export const LEDGER_NAME = "kubelambda-ledger";

interface LedgerObject extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface TakeNumber {
  readonly namespace: string;
  /** Letters, digits, `-`, `_`, `.`: what the numbers are for, e.g. `layer.tools`. */
  readonly entry: string;
  /** Known to be given, though the ledger may have been lost: the answer is above it. */
  readonly floor: number;
  readonly signal?: AbortSignal;
}

/** Others write to the same object now and then; so many lost races in a row are no race any more. */
const mostAttempts = 20;

/**
 * Gives the next number, once it is written down: who dies before using it has lost it, and nobody gets it again.
 * Throws KubernetesError, and Error when the entry is no number.
 */
export async function takeNumber(client: KubernetesClient, wanted: TakeNumber): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const ledger = await find(client, wanted);
      const number = Math.max(lastOf(ledger, wanted.entry), wanted.floor) + 1;
      await write(client, wanted, ledger, number);
      return number;
    } catch (error) {
      // Another write came between, or the object came or went.
      const isLostRace = isKubernetesError(error, "Conflict", "AlreadyExists", "NotFound");
      if (!isLostRace || attempt === mostAttempts) throw error;
    }
  }
}

async function find(
  client: KubernetesClient,
  { namespace, signal }: TakeNumber,
): Promise<Stored<LedgerObject> | undefined> {
  try {
    const ref = { kind: kinds.configMap, namespace, name: LEDGER_NAME };
    return await client.get<LedgerObject>(ref, { ...(signal !== undefined && { signal }) });
  } catch (error) {
    if (isKubernetesError(error, "NotFound")) return undefined;
    throw error;
  }
}

function lastOf(ledger: LedgerObject | undefined, entry: string): number {
  const text = ledger?.data?.[entry] ?? "0";
  const last = /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  if (last !== undefined) return last;
  const what = `entry "${entry}" of ConfigMap "${LEDGER_NAME}" is "${text.slice(0, 100)}"`;
  throw new Error(`Cannot take a number: ${what}; right is the last number that was given`);
}

async function write(
  client: KubernetesClient,
  { namespace, entry, signal }: TakeNumber,
  ledger: Stored<LedgerObject> | undefined,
  number: number,
): Promise<void> {
  const options = { ...(signal !== undefined && { signal }) };
  const data = { [entry]: String(number) };
  if (ledger === undefined) {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: LEDGER_NAME }, data };
    await client.create(object, options);
    return;
  }
  const { resourceVersion } = ledger.metadata;
  const ref = { kind: kinds.configMap, namespace, name: LEDGER_NAME };
  await client.patch(ref, { metadata: { resourceVersion }, data }, options);
}

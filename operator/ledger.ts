/** Numbers of a namespace that are given once: they survive whatever they were given to. */
import type { KubernetesClient } from "../lib/kubernetes/client.ts";
import { isKubernetesError } from "../lib/kubernetes/kubernetes-error.ts";
import { kinds } from "../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../lib/kubernetes/object.ts";
import { giveNumber, LEDGER_NAME, type LedgerData, type NumberGiven, type NumberWanted } from "./ledger-entry.ts";

export { LEDGER_NAME };

interface LedgerObject extends KubernetesObject {
  readonly data?: LedgerData;
}

export interface TakeNumber extends NumberWanted {
  readonly namespace: string;
  readonly signal?: AbortSignal;
}

/** Others write to the same object now and then; so many lost races in a row are no race any more. */
const mostAttempts = 20;

/**
 * Gives the next number, or the claimed one, once it is written down: who dies before using it has lost it, and nobody else gets it.
 * Undefined: the claimed number was given to another. Throws KubernetesError, and Error when an entry cannot be read.
 */
export async function takeNumber(client: KubernetesClient, wanted: TakeNumber): Promise<number | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      const ledger = await find(client, wanted);
      const given = give(ledger, wanted);
      if (given !== undefined) await write(client, wanted, ledger, given);
      return given?.number;
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

function give(ledger: LedgerObject | undefined, wanted: NumberWanted): NumberGiven | undefined {
  try {
    return giveNumber(ledger?.data ?? {}, wanted);
  } catch (error) {
    throw new Error(`Cannot take a number: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

async function write(
  client: KubernetesClient,
  { namespace, signal }: TakeNumber,
  ledger: Stored<LedgerObject> | undefined,
  { changes }: NumberGiven,
): Promise<void> {
  if (Object.keys(changes).length === 0) return;
  const options = { ...(signal !== undefined && { signal }) };
  if (ledger === undefined) {
    const data = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null));
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: LEDGER_NAME }, data };
    await client.create(object, options);
    return;
  }
  const { resourceVersion } = ledger.metadata;
  const ref = { kind: kinds.configMap, namespace, name: LEDGER_NAME };
  await client.patch(ref, { metadata: { resourceVersion }, data: changes }, options);
}

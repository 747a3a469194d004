import { accountIdOf } from "./names.ts";

/** Namespaces with functions by account id. An id has 12 digits, so two names may give the same one: what an ARN means is not known then. */
export class AccountNamespaces {
  /** Account id → namespace → how many functions it has. */
  readonly #accounts = new Map<string, Map<string, number>>();

  /** A function has come. */
  add(namespace: string): void {
    const accountId = accountIdOf(namespace);
    const counts = this.#accounts.get(accountId) ?? new Map<string, number>();
    this.#accounts.set(accountId, counts.set(namespace, (counts.get(namespace) ?? 0) + 1));
  }

  /** A function has gone. */
  remove(namespace: string): void {
    const accountId = accountIdOf(namespace);
    const counts = this.#accounts.get(accountId);
    const left = (counts?.get(namespace) ?? 0) - 1;
    if (left > 0) counts?.set(namespace, left);
    else counts?.delete(namespace);
    if (counts?.size === 0) this.#accounts.delete(accountId);
  }

  /** Sorted. */
  namespacesOf(accountId: string): readonly string[] {
    return [...(this.#accounts.get(accountId)?.keys() ?? [])].sort();
  }
}

/** Addresses of hosts that were asked for before: in a pod a name is asked for under each of its search domains first. */
import { lookup, type LookupAddress, type LookupOptions } from "node:dns";
import type { LookupFunction } from "node:net";

export class KnownHosts {
  readonly #resolve: typeof lookup;
  readonly #addressesByHost = new Map<string, readonly LookupAddress[]>();

  constructor(resolve: typeof lookup = lookup) {
    this.#resolve = resolve;
  }

  /** For sockets. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const known = this.#addressesByHost.get(hostname);
    // Later, as sockets expect it: who waits for their events has not begun to.
    if (known !== undefined) setImmediate(() => answer(known, options, callback));
    else
      this.#resolve(hostname, { ...options, all: true }, (error, addresses) => {
        if (error === null) {
          this.#addressesByHost.set(hostname, addresses);
          answer(addresses, options, callback);
        } else callback(error, "");
      });
  };

  /** A host may be elsewhere by now. */
  forget(): void {
    this.#addressesByHost.clear();
  }
}

function answer(
  addresses: readonly LookupAddress[],
  options: LookupOptions,
  callback: Parameters<LookupFunction>[2],
): void {
  const [first] = addresses;
  if (options.all === true) callback(null, [...addresses]);
  else callback(null, first?.address ?? "", first?.family);
}

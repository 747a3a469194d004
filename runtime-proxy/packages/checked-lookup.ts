import type { LookupAddress, LookupOptions } from "node:dns";
import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import type { AddressRules } from "./address-rules.ts";
import { PackageError, quote } from "./package-error.ts";

export type ResolveHost = (hostname: string, options: LookupOptions) => Promise<readonly LookupAddress[]>;

export const resolveHostByDns: ResolveHost = (hostname, options) => lookup(hostname, { ...options, all: true });

/**
 * A `lookup` for sockets that judges every address a name stands for. The socket connects to what was judged and asks no second
 * time, so a name that changes between check and use (DNS rebinding) gains nothing.
 */
export function checkedLookup(rules: AddressRules, resolveHost: ResolveHost, remedy?: string): LookupFunction {
  return (hostname, options, callback) => {
    resolveHost(hostname, options)
      .then((addresses) => {
        for (const { address } of addresses) requireReachable(rules, hostname, address, remedy);
        const [first] = addresses;
        if (first === undefined)
          throw new PackageError("SourceUnreachable", `Cannot reach ${quote(hostname)}: it has no address`);
        if (options.all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      })
      .catch((error: unknown) => callback(error as Error, ""));
  };
}

const urlRemedy = 'the chart value "packages.urls.allowedCIDRs" can allow it';

/** Throws PackageError (SourceRefused) for an address that is not to be reached; `remedy` is how the message ends. */
export function requireReachable(rules: AddressRules, hostname: string, address: string, remedy = urlRemedy): void {
  const what = rules(address);
  if (what === undefined) return;
  const host = hostname === address ? quote(hostname) : `${quote(hostname)} (${address})`;
  throw new PackageError("SourceRefused", `Cannot fetch from ${host}: it is ${what}; ${remedy}`);
}

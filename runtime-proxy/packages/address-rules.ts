import { BlockList, isIP } from "node:net";

/** Ranges as CIDRs, e.g. `203.0.113.0/24`; a lone address counts as itself. */
export interface AddressRuleOptions {
  /** Reached whatever else is said: the way to a server of one's own. */
  readonly allowedCIDRs: readonly string[];
  /** Never reached, besides the built-in ranges: pods, services and nodes of the cluster. */
  readonly deniedCIDRs: readonly string[];
}

/** Undefined: may be reached. Else what the address is, for a message. */
export type AddressRules = (address: string) => string | undefined;

/** Sources: IANA special-purpose address registries; metadata services that lie outside link-local from their clouds' manuals. */
const refusedRanges: Readonly<Record<string, readonly string[]>> = {
  "a loopback address": ["127.0.0.0/8", "::1/128"],
  "a link-local address": ["169.254.0.0/16", "fe80::/10"],
  "an unspecified address": ["0.0.0.0/8", "::/128"],
  "a private address": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"],
  "a metadata service": ["168.63.129.16/32", "192.0.0.0/24"],
  "a multicast or reserved address": ["224.0.0.0/4", "240.0.0.0/4", "ff00::/8"],
};

/** Throws TypeError for a range that is none. */
export function createAddressRules({ allowedCIDRs, deniedCIDRs }: AddressRuleOptions): AddressRules {
  const allowed = toBlockList(allowedCIDRs);
  const denied = toBlockList(deniedCIDRs);
  const refused = Object.entries(refusedRanges).map(([what, ranges]) => ({ what, list: toBlockList(ranges) }));
  const judge = (address: string): string | undefined => {
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (allowed.check(address, family)) return undefined;
    if (denied.check(address, family)) return "an address of the cluster";
    return refused.find(({ list }) => list.check(address, family))?.what;
  };
  return (address) => {
    if (isIP(address) === 0) return "no address";
    const embedded = embeddedAddress(address);
    if (embedded === undefined) return judge(address);
    return allowed.check(address, "ipv6") ? undefined : judge(embedded);
  };
}

/** The IPv4 address that an IPv6 one leads to: mapped, NAT64 (RFC 6052), 6to4 (RFC 3056). */
function embeddedAddress(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const groups = expand(address);
  const [first = 0, second = 0, third = 0] = groups;
  const [seventh = 0, eighth = 0] = groups.slice(6);
  const isZero = (from: number, to: number): boolean => groups.slice(from, to).every((group) => group === 0);
  const isMapped = isZero(0, 5) && groups[5] === 0xffff;
  const isNat64 = first === 0x64 && second === 0xff9b && isZero(2, 6);
  // The deprecated "compatible" form, but neither :: nor ::1.
  const isCompatible = isZero(0, 6) && (seventh !== 0 || eighth > 1);
  if (isMapped || isNat64 || isCompatible) return toIPv4(seventh, eighth);
  return first === 0x2002 ? toIPv4(second, third) : undefined;
}

function toIPv4(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight groups of an IPv6 address that isIP has accepted; a zone is dropped. */
function expand(address: string): number[] {
  const bare = address.split("%")[0] ?? "";
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare);
  const [a = 0, b = 0, c = 0, d = 0] = (dotted?.slice(2) ?? []).map(Number);
  const text =
    dotted === null ? bare : `${dotted[1] ?? ""}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  const [head = "", tail] = text.split("::");
  const parse = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  if (tail === undefined) return parse(head);
  const [before, after] = [parse(head), parse(tail)];
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}

/** Throws TypeError for a range that is none. */
export function addressesIn(ranges: readonly string[]): (address: string) => boolean {
  const list = toBlockList(ranges);
  return (address) => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? "ipv6" : "ipv4");
  };
}

function toBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix, ...rest] = range.split("/");
    const version = isIP(address);
    const bits = prefix === undefined ? (version === 6 ? 128 : 32) : Number(prefix);
    const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && bits <= (version === 6 ? 128 : 32));
    if (version === 0 || !isPrefix || rest.length > 0) {
      throw new TypeError(`Cannot use address range "${range}": want an address and a prefix like 203.0.113.0/24`);
    }
    list.addSubnet(address, bits, version === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

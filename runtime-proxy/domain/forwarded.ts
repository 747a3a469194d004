/** Who a request comes from, when proxies stand between. Pure. */

export interface Peer {
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly isEncrypted: boolean;
}

export interface Forwarded {
  readonly sourceIp: string;
  readonly protocol: "http" | "https";
  readonly port: string;
}

/**
 * The client is the last address that no trusted proxy has: what stands left of it anybody may have written. A peer that is no
 * trusted proxy speaks for itself alone.
 */
export function whoForwarded(
  peer: Peer,
  headers: ReadonlyMap<string, string>,
  isTrusted: (address: string) => boolean,
): Forwarded {
  const address = plainAddress(peer.remoteAddress);
  const own = { protocol: peer.isEncrypted ? "https" : "http", port: String(peer.localPort) } as const;
  if (!isTrusted(address)) return { sourceIp: address, ...own };
  const chain = (headers.get("x-forwarded-for") ?? "").split(",").map(plainAddress).filter(isAddress);
  const sourceIp = chain.findLast((hop) => !isTrusted(hop)) ?? chain[0] ?? address;
  const told = last(headers.get("x-forwarded-proto"))?.toLowerCase();
  const protocol = told === "https" || told === "http" ? told : own.protocol;
  const port = last(headers.get("x-forwarded-port")) ?? "";
  const usual = protocol === "https" ? "443" : "80";
  return { sourceIp, protocol, port: /^\d{1,5}$/.test(port) ? port : told === undefined ? own.port : usual };
}

/** Without brackets, port and zone; IPv4 in IPv6's clothes as IPv4. */
function plainAddress(text: string): string {
  const trimmed = text.trim();
  const bare = /^\[([^\]]*)\]/.exec(trimmed)?.[1] ?? trimmed.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
  return bare.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}

function isAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text);
}

function last(list: string | undefined): string | undefined {
  return list?.split(",").at(-1)?.trim();
}

import type { HttpRequest } from "../lib/http/handler.ts";
import { whoForwarded } from "./domain/forwarded.ts";

/** IP address of who has sent it, as proxies that are trusted tell; empty: no socket is behind the request. */
export function clientAddress({ sent, headers }: HttpRequest, isTrustedProxy: (address: string) => boolean): string {
  if (sent === undefined) return "";
  const told = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return whoForwarded(sent, new Map(told), isTrustedProxy).sourceIp;
}

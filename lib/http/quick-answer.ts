/** Answers of the quick lane, as node:http would send them. */
import { STATUS_CODES } from "node:http";
import { headerLine } from "./header-line.ts";
import type { QuickAnswer } from "./quick-call.ts";

export interface AnswerParts {
  readonly status: number;
  /** Names and values in turn, the body's length among them. */
  readonly headers: readonly string[];
  readonly chunks: readonly Uint8Array[];
  /** Of all chunks. */
  readonly bytes: number;
  /** The connection ends with it. */
  readonly isLast: boolean;
  /** How long the connection is kept for another call; absent: the client is not told. */
  readonly keptSeconds?: number;
}

/** Throws a TypeError for what would be no header. */
export function quickAnswer({ status, headers, chunks, bytes, isLast, keptSeconds }: AnswerParts): QuickAnswer {
  let head = statusLine(status);
  for (let at = 0; at < headers.length; at += 2) head += headerLine(headers[at] ?? "", headers[at + 1] ?? "");
  head += dateLine();
  head += isLast ? "Connection: close\r\n" : keptLine(keptSeconds);
  return { head: `${head}\r\n`, chunks, bytes };
}

const ok = "HTTP/1.1 200 OK\r\n";

function statusLine(status: number): string {
  return status === 200 ? ok : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "unknown"}\r\n`;
}

function keptLine(keptSeconds: number | undefined): string {
  const connection = "Connection: keep-alive\r\n";
  return keptSeconds === undefined ? connection : `${connection}Keep-Alive: timeout=${keptSeconds}\r\n`;
}

const date = { second: 0, line: "" };

/** Made once a second. */
function dateLine(): string {
  const second = Math.trunc(Date.now() / 1000);
  if (second !== date.second) {
    date.second = second;
    date.line = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return date.line;
}

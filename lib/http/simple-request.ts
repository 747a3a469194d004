/**
 * The head of a request in the form in which nearly all come. What is read here can be read in one way only; whatever is not beyond doubt
 * is left to a parser that knows all of HTTP. Pure. Source: RFC 9112.
 */

export interface SimpleHead {
  readonly method: "GET" | "POST";
  /** The target as sent: a path, maybe with a query. */
  readonly url: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Header lines as sent, each with its line break. */
  readonly lines: string;
  /** Of the body. */
  readonly contentLength: number;
}

/** Longest that is read here: more is rare, and costs more than the way here saves. */
const mostHeadBytes = 16 * 1024;
/** Visible ASCII in whole lines that end as they should: nothing folded, nothing that another reader could see otherwise. */
const wholeHead = /^(GET|POST) (\/[!-~]*) HTTP\/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+)$/;
const digits = /^[0-9]{1,10}$/;
/** With one of them a request is more than a head and a body of a known length. */
const notSimple: readonly string[] = ["transfer-encoding", "expect", "upgrade", "trailer", "te", "http2-settings"];

/** Bytes of the head with its empty line; -1: it is not there whole, or longer than is read here. */
export function simpleHeadBytes(bytes: Buffer): number {
  const end = bytes.indexOf("\r\n\r\n", 0, "latin1");
  return end < 0 || end > mostHeadBytes ? -1 : end + 4;
}

/** `text`: the head without its empty line. Undefined: leave it to others. */
export function parseSimpleHead(text: string): SimpleHead | undefined {
  const [, method, url = "", lines = ""] = wholeHead.exec(text) ?? [];
  if (method !== "GET" && method !== "POST") return undefined;
  const headers: Record<string, string> = {};
  for (let at = 0; at < lines.length;) {
    const colon = lines.indexOf(":", at);
    const end = lines.indexOf("\r\n", colon);
    const name = lines.slice(at, colon).toLowerCase();
    // Which of two counts is a rule of each header's own; what every object has is not for here either.
    if (headers[name] !== undefined) return undefined;
    headers[name] = lines.slice(colon + 1, end).trim();
    at = end + 2;
  }
  const { host = "", connection = "keep-alive", "content-length": length = "0" } = headers;
  if (host === "" || connection.toLowerCase() !== "keep-alive" || !digits.test(length)) return undefined;
  for (const name of notSimple) if (headers[name] !== undefined) return undefined;
  return { method, url, headers, lines, contentLength: Number(length) };
}

/** Names and values in turn, as sent. */
export function rawHeaders(lines: string): readonly string[] {
  return lines
    .split("\r\n")
    .slice(0, -1)
    .flatMap((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
}

/** AWS's canonical form of a request, which a signature signs. Source: IAM user guide, "Create a signed AWS API request". */

/** A request as it came over the wire: one character a byte (latin1), as Node's parser gives it. */
export interface SentParts {
  readonly method: string;
  /** Still percent-encoded, without the query. */
  readonly path: string;
  /** Still percent-encoded, without its `?`. */
  readonly query: string;
  /** Names and values in turn, as sent. */
  readonly headers: readonly string[];
}

/** Query parameter that carries the signature of a presigned request, and is no part of what is signed. */
const SIGNATURE_PARAMETER = "X-Amz-Signature";

/** All values of a header, in the order sent. */
export function headerValues({ headers }: Pick<SentParts, "headers">, name: string): readonly string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const sent = headers[index] ?? "";
    // Looked for a dozen times in every signed call.
    if (sent.length === name.length && sent.toLowerCase() === name) values.push(headers[index + 1] ?? "");
  }
  return values;
}

/** The canonical request as bytes in a latin1 string. `signedHeaders` are lower case; `payloadHash` is hex or UNSIGNED-PAYLOAD. */
export function canonicalRequest(sent: SentParts, signedHeaders: readonly string[], payloadHash: string): string {
  return [
    sent.method.toUpperCase(),
    canonicalPath(sent.path),
    canonicalQuery(sent.query),
    ...signedHeaders.map((name) => `${name}:${canonicalHeader(sent, name)}`),
    "",
    signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
}

/** Normalised, and encoded once more than on the wire: only S3 signs paths as they are sent. */
export function canonicalPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") kept.pop();
    else kept.push(segment);
  }
  const end = kept.length > 0 && path.endsWith("/") ? "/" : "";
  return `/${kept.map(encode).join("/")}${end}`;
}

/** Each name and value in one encoding, sorted by name, then by value. */
export function canonicalQuery(query: string): string {
  const pairs = query.split("&").filter((pair) => pair !== "");
  return pairs
    .map((pair) => {
      const mark = pair.indexOf("=");
      const [name, value] = mark < 0 ? [pair, ""] : [pair.slice(0, mark), pair.slice(mark + 1)];
      return [encode(decode(name)), encode(decode(value))] as const;
    })
    .filter(([name]) => name !== SIGNATURE_PARAMETER)
    .sort(([oneName, oneValue], [name, value]) => compare(oneName, name) || compare(oneValue, value))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

/** A repeated header's values are joined by a comma; blanks around and repeated blanks within a value do not count. */
function canonicalHeader(sent: SentParts, name: string): string {
  return headerValues(sent, name)
    .map((value) => value.replace(/[ \t]+/g, " ").replace(/^ | $/g, ""))
    .join(",");
}

/** Bytes of `%XX` and of `+`; a broken escape stays what it is. */
function decode(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-fA-F]{2})/g, (_escape, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

function encode(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-_.~]/g,
    (byte) => `%${(byte.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

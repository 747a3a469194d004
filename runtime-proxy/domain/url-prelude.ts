/** The beginning of a stream that describes its HTTP response: JSON, eight NULs, then the body. Source: Lambda developer guide, configuration-response-streaming. */
import { isObject, LONGEST_HEAD_BYTES, parseJson, responseHead, type UrlResponse } from "./url-answer.ts";

/** Content type of such a stream. */
export const INTEGRATION_TYPE = "application/vnd.awslambda.http-integration-response";

/** Longest JSON before the NULs. */
const longestPreludeBytes = LONGEST_HEAD_BYTES;
const nulCount = 8;

export type PreludeProgress =
  | { readonly type: "more" }
  /** `rest`: of the body, what came with the prelude. */
  | { readonly type: "complete"; readonly head: Omit<UrlResponse, "body">; readonly rest: Uint8Array }
  | { readonly type: "broken"; readonly problem: string };

/** Takes in a stream's first chunks, however they are cut, until the prelude is complete or broken. */
export class PreludeReader {
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** NULs at the end of what has come. */
  #nuls = 0;

  push(chunk: Uint8Array): PreludeProgress {
    for (let at = 0; at < chunk.length; at += 1) {
      this.#nuls = chunk[at] === 0 ? this.#nuls + 1 : 0;
      if (this.#nuls === nulCount) return this.#complete(chunk, at + 1);
    }
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes <= longestPreludeBytes) return { type: "more" };
    return { type: "broken", problem: `it has no ${nulCount} NULs within its first ${longestPreludeBytes} bytes` };
  }

  /** The stream has ended. */
  end(): PreludeProgress {
    return { type: "broken", problem: `it ends after ${this.#bytes} bytes without ${nulCount} NULs` };
  }

  #complete(last: Uint8Array, end: number): PreludeProgress {
    const whole = Buffer.concat([...this.#chunks, last.subarray(0, end)]);
    this.#chunks = [];
    const described = parseJson(whole.subarray(0, whole.length - nulCount));
    if (!isObject(described)) return { type: "broken", problem: "what comes before the NULs is no JSON object" };
    // Without a status it is 200: the runtime's client writes what the handler gave it.
    const head = responseHead({ statusCode: 200, ...described });
    if (head === undefined) return { type: "broken", problem: "its status, headers or cookies cannot be sent" };
    return { type: "complete", head: withoutGuess(head, described), rest: last.subarray(end) };
  }
}

/** A stream whose prelude says no type has none that we know. */
function withoutGuess(
  head: Omit<UrlResponse, "body">,
  { headers }: { readonly headers?: unknown },
): Omit<UrlResponse, "body"> {
  const names = isObject(headers) ? Object.keys(headers) : [];
  if (names.some((name) => name.toLowerCase() === "content-type")) return head;
  return { ...head, headers: { ...head.headers, "content-type": "application/octet-stream" } };
}

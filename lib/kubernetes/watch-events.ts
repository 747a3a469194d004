import type { WatchEvent } from "./client.ts";
import { KubernetesError } from "./kubernetes-error.ts";
import type { KubernetesObject, Stored } from "./object.ts";
import { failureToKubernetesError, type FailureStatus } from "./to-kubernetes-error.ts";

/** Ten times what etcd takes of one object. */
const longestLineBytes = 16 * 1024 * 1024;
const newline = 0x0a;

/** Reads a watch's answer, one JSON document a line; an ERROR event becomes the KubernetesError that it stands for. */
export async function* readWatchEvents<T extends KubernetesObject>(
  action: string,
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of readLines(action, body)) {
    const event = JSON.parse(line) as { readonly type: string; readonly object: unknown };
    switch (event.type) {
      case "ADDED":
      case "MODIFIED":
      case "DELETED":
        yield { type: event.type, object: event.object as Stored<T> };
        break;
      case "BOOKMARK":
        yield { type: "BOOKMARK", resourceVersion: (event.object as Stored).metadata.resourceVersion };
        break;
      case "ERROR":
        throw failureToKubernetesError(action, event.object as FailureStatus);
      default:
        throw new KubernetesError({
          code: "Internal",
          action,
          serverMessage: `event type "${event.type}" is not known`,
        });
    }
  }
}

async function* readLines(action: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      parts.push(chunk.subarray(from, end));
      const line = Buffer.concat(parts).toString("utf8");
      [parts, bytes, from] = [[], 0, end + 1];
      if (line.trim() !== "") yield line;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > longestLineBytes) {
      const serverMessage = `one event is longer than ${longestLineBytes} bytes`;
      throw new KubernetesError({ code: "TooLarge", action, serverMessage });
    }
  }
}

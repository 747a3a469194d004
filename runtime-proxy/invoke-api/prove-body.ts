import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { Access } from "../access/access-control.ts";
import { announcedBytes, readChunks, type BodySource } from "./read-event.ts";
import { takeRoom, type CallParts } from "./serve-call.ts";

/** What is left to be read of a request's body, and who has to see it then. */
export interface EnteredBody {
  readonly source: BodySource;
  /** Of a signature that still has to see the body; absent when it has. */
  readonly access?: Access;
}

/** For a signature that waits for the payload: reads it, within the bounds of an event, and gives it once more when it is what was signed. */
export async function proveBody(
  parts: Pick<CallParts, "bodyMemory" | "bodyTimeoutMs" | "clock">,
  request: HttpRequest,
  access: Access,
): Promise<EnteredBody> {
  if (access.isProven()) return { source: request, access };
  const { namespace, userName } = access.caller;
  const room = await takeRoom(parts, namespace ?? userName, announcedBytes(request));
  try {
    const { bodyTimeoutMs: timeoutMs, clock } = parts;
    const chunks = await readChunks(request, { timeoutMs, clock, access });
    return { source: request.whole === undefined ? { body: again(chunks) } : request };
  } finally {
    room.release();
  }
}

/** Piece by piece, with time for others between. */
function again(chunks: readonly Buffer[]): Readable {
  return Readable.from(
    (async function* () {
      for (const [index, chunk] of chunks.entries()) {
        if (index > 0) await setImmediate();
        yield chunk;
      }
    })(),
  );
}

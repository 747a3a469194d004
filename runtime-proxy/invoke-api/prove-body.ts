import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { Access } from "../access/access-control.ts";
import type { MemoryRoom } from "../memory-budget.ts";
import { announcedBytes, readChunks, type BodySource } from "./read-event.ts";
import { takeRoom, type CallParts } from "./serve-call.ts";

/** What is left to be read of a request's body, and who has to see it then. */
export interface EnteredBody {
  readonly source: BodySource;
  /** Of a signature that still has to see the body; absent when it has. */
  readonly access?: Access;
  /** What a body holds that has been read and is to be read again; whoever takes it over gives it back. */
  readonly room?: MemoryRoom;
}

/** Memory that a call takes whose body has so many bytes; undefined: not known yet. */
export type MemoryFor = (bodyBytes: number | undefined) => number | undefined;

/**
 * For a signature that waits for the payload: reads it, within the bounds of an event, and gives it once more, with its room, when it is what was signed.
 * Until then it counts for nobody's share of the memory: whoever knows an access key id can send bodies in its name.
 */
export async function proveBody(
  parts: Pick<CallParts, "bodyMemory" | "metrics" | "bodyTimeoutMs" | "clock">,
  request: HttpRequest,
  { access, memoryFor = (bytes) => bytes }: { readonly access: Access; readonly memoryFor?: MemoryFor },
): Promise<EnteredBody> {
  if (access.isProven()) return { source: request, access };
  const { bodyTimeoutMs: timeoutMs, clock } = parts;
  // Already here: nothing is held for it that was not.
  if (request.whole !== undefined) {
    await readChunks(request, { timeoutMs, clock, access });
    return { source: request };
  }
  const { namespace, userName } = access.caller;
  const room = await takeRoom(parts, `unproven ${namespace ?? userName}`, memoryFor(announcedBytes(request)));
  try {
    const chunks = await readChunks(request, { timeoutMs, clock, access });
    room.shrinkTo(memoryFor(chunks.reduce((bytes, { length }) => bytes + length, 0)) ?? 0);
    return { source: { body: again(chunks) }, room };
  } catch (error) {
    room.release();
    throw error;
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

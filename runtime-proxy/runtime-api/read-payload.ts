import type { AgentRequest, Payload } from "./exchange.ts";

export type ReadPayload =
  | { readonly kind: "whole"; readonly payload: Payload }
  /** Past the limit: nothing is kept; `drained` settles when the client has sent the rest or is gone. */
  | { readonly kind: "tooLarge"; readonly drained: Promise<void> }
  /** The client went away, or its chunks broke off, before the end. */
  | { readonly kind: "truncated" };

/** Reads a body of at most `limitBytes` as the chunks that arrive. Never rejects. */
export function readPayload(request: AgentRequest, limitBytes: number): ReadPayload | Promise<ReadPayload> {
  const { whole } = request;
  if (whole === undefined || whole.length > limitBytes) return readChunks(request, limitBytes);
  return { kind: "whole", payload: { chunks: whole.length === 0 ? [] : [whole], bytes: whole.length } };
}

function readChunks({ body, headers }: AgentRequest, limitBytes: number): Promise<ReadPayload> {
  const { promise, resolve } = Promise.withResolvers<ReadPayload>();
  const drained = Promise.withResolvers<undefined>();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const refuse = (): void => {
    bytes = Infinity;
    chunks.length = 0;
    resolve({ kind: "tooLarge", drained: drained.promise });
  };
  if (Number(headers["content-length"]) > limitBytes) refuse();
  body.on("data", (chunk: Uint8Array) => {
    bytes += chunk.length;
    if (bytes <= limitBytes) chunks.push(chunk);
    else refuse();
  });
  body.once("end", () => {
    drained.resolve(undefined);
    resolve({ kind: "whole", payload: { chunks, bytes } });
  });
  const breakOff = (): void => {
    drained.resolve(undefined);
    resolve({ kind: "truncated" });
  };
  body.once("error", breakOff);
  body.once("close", breakOff);
  return promise;
}

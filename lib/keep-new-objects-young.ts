import { setFlagsFromString } from "node:v8";

/**
 * V8 is not to make objects in the old generation at once where those of before outlived a collection (allocation-site pretenuring). What a
 * call makes outlives one when the call waits; made old it dies there, and until the next full collection keeps alive, and has copied, all
 * new objects that it knows: of calls that have long ended (ADR 32). For the start of a process; not allowed in NODE_OPTIONS.
 */
export function keepNewObjectsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}

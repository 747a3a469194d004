import type { Clock } from "./clock.ts";
import type { LogFields, Logger } from "./logger.ts";

/** Of one kind, in a second. */
const mostLines = 10;
/** Kinds of one second that are told apart; the others count as one. */
const mostKinds = 1000;
const secondMs = 1000;

/** Errors with one message and one code, of one thing. */
interface Kind {
  readonly message: string;
  readonly fields: LogFields;
  lines: number;
}

export interface LimitedErrors {
  readonly log: Logger;
  /** Does not wait for the second to be over: for a process that ends. */
  readonly tellLeftOut: () => void;
}

/** Of what goes wrong again and again, with each call of a function that fails, 10 lines a second; then one with the number of those left out. */
export function limitErrors(log: Logger, clock: Clock): LimitedErrors {
  const kinds = new Map<string, Kind>();
  const tell = (kind: Kind): void => {
    const leftOut = kind.lines - mostLines;
    if (leftOut <= 0) return;
    kind.lines = mostLines;
    log.error(kind.message, { ...kind.fields, leftOut });
  };
  const begin = (key: string, message: string, fields: LogFields): Kind => {
    const kind = { message, fields, lines: 0 };
    kinds.set(key, kind);
    clock.schedule(secondMs, () => {
      kinds.delete(key);
      tell(kind);
    });
    return kind;
  };
  const limited: Logger = {
    ...log,
    error(message, fields = {}) {
      const own = named(fields);
      const key = JSON.stringify([message, own]);
      const known = kinds.get(key);
      const isOneOfTooMany = known === undefined && kinds.size >= mostKinds;
      const kind = isOneOfTooMany
        ? (kinds.get("") ?? begin("", "Errors of many kinds", {}))
        : (known ?? begin(key, message, own));
      kind.lines += 1;
      if (kind.lines <= mostLines) log.error(message, fields);
    },
  };
  return { log: limited, tellLeftOut: () => kinds.forEach(tell) };
}

function named({ kind, namespace, name, code }: LogFields): LogFields {
  return {
    ...(kind !== undefined && { kind }),
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(code !== undefined && { code }),
  };
}

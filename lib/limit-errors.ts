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

/** Of what goes wrong again and again, with each call of a function that fails, 10 lines a second; then one with the number of those left out. */
export function limitErrors(log: Logger, clock: Clock): Logger {
  const kinds = new Map<string, Kind>();
  const end = (key: string, { message, fields, lines }: Kind): void => {
    kinds.delete(key);
    if (lines > mostLines) log.error(message, { ...fields, leftOut: lines - mostLines });
  };
  const begin = (key: string, message: string, fields: LogFields): Kind => {
    const kind = { message, fields, lines: 0 };
    kinds.set(key, kind);
    clock.schedule(secondMs, () => end(key, kind));
    return kind;
  };
  return {
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
}

function named({ kind, namespace, name, code }: LogFields): LogFields {
  return {
    ...(kind !== undefined && { kind }),
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
    ...(code !== undefined && { code }),
  };
}

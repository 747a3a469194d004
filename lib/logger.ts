import { stdout } from "node:process";
import { createLogger as createWinston, format, transports, type Logger as WinstonLogger } from "winston";

/** Whom a line is about; `requestId` is an invocation's. */
export interface LogFields {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly requestId?: string;
  readonly error?: unknown;
  readonly [field: string]: unknown;
}

/** Writes JSON lines. Never a payload, never a secret. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** The process, e.g. "operator"; on every line. */
  readonly process?: string;
  /** Default "info". */
  readonly level?: LogLevel;
  /** Default: standard output. */
  readonly stream?: NodeJS.WritableStream;
}

/** A logger to standard output: {"level","message","process","timestamp", …fields}, errors with stack and causes. */
export function createLogger({ process: name, level = "info", stream }: LoggerOptions): Logger {
  const winston = createWinston({
    level,
    defaultMeta: name === undefined ? {} : { process: name },
    format: format.combine(format.timestamp(), format.json({ replacer: showError, deterministic: false })),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston types its transports as plain objects
    transports: [new transports.Stream({ stream: stream ?? stdout })],
  });
  return {
    debug: write(winston, "debug"),
    info: write(winston, "info"),
    warn: write(winston, "warn"),
    error: write(winston, "error"),
  };
}

/** Says nothing: for tests, and where nobody reads. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function write(winston: WinstonLogger, level: LogLevel): Logger["info"] {
  // A field named "message" or "level" would take the line's own place.
  return (message, { level: _level, message: _message, ...fields } = {}) => void winston.log(level, message, fields);
}

function showError(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  const code = (value as { code?: unknown }).code;
  return { name, message, ...(code !== undefined && { code }), stack, ...(cause !== undefined && { cause }) };
}

import { z } from "zod";

export type EnvironmentParsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/**
 * Reads a process's environment variables by a schema; a variable set to "" counts as absent, as a chart leaves it.
 * The message names each bad variable and says what it should be; values are not repeated, they may be secret.
 */
export function parseEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  env: Readonly<Record<string, string | undefined>>,
): EnvironmentParsed<z.output<Schema>> {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = schema.safeParse(set);
  if (parsed.success) return { ok: true, value: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => {
    const variable = String(path[0] ?? "environment");
    return Object.hasOwn(set, variable) ? `${variable}: ${message}` : `${variable}: not set (${message})`;
  });
  return { ok: false, message: `Cannot read the environment variables: ${problems.join("; ")}` };
}

/** A whole number in a variable, e.g. `port: integerVariable({ min: 0, max: 65_535 }).default(8080)`. */
export function integerVariable({ min, max }: { readonly min: number; readonly max: number }): z.ZodType<number> {
  return z
    .string()
    .regex(/^-?\d{1,15}$/, "expected a whole number")
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected a number from ${min} to ${max}`);
}

/** A share from 0 to 1 in a variable. */
export function ratioVariable(): z.ZodType<number> {
  return z
    .string()
    .regex(/^\d*\.?\d{1,20}(e-\d{1,2})?$/, "expected a number from 0 to 1")
    .transform(Number)
    .refine((ratio) => ratio >= 0 && ratio <= 1, "expected a number from 0 to 1");
}

/** `name=value` pairs separated by commas, percent-encoded where they must be; absent: none. Source: OpenTelemetry, OTEL_EXPORTER_OTLP_HEADERS. */
export function pairsVariable(): z.ZodType<Record<string, string>> {
  const pair = /^\s*[A-Za-z0-9_.-]+\s*=[^,]*$/;
  return z
    .string()
    .default("")
    .refine((text) => text === "" || text.split(",").every((part) => pair.test(part)), "expected name=value,name=value")
    .transform((text) => Object.fromEntries(text === "" ? [] : text.split(",").map(toPair)));
}

function toPair(text: string): [string, string] {
  const at = text.indexOf("=");
  const value = text.slice(at + 1).trim();
  try {
    return [text.slice(0, at).trim(), decodeURIComponent(value)];
  } catch {
    return [text.slice(0, at).trim(), value];
  }
}

/** "true" or "false" in a variable. */
export function booleanVariable(): z.ZodType<boolean> {
  return z.enum(["true", "false"], 'expected "true" or "false"').transform((text) => text === "true");
}

/** Words separated by commas; absent: none. */
export function listVariable(): z.ZodType<string[]> {
  const words = (text: string): string[] => text.split(",").map((word) => word.trim());
  return z
    .string()
    .default("")
    .transform((text) => words(text).filter((word) => word !== ""));
}

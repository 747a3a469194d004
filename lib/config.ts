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

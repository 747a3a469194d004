/** Parsing at the edge: a document by its schema, or a problem that names the member. Pure. */
import type { z } from "zod";
import type { FunctionNamed } from "./arns.ts";
import type { Found, ProblemFound } from "./found.ts";

/** Which function (and alias or version) an output is of that does not say so itself. */
export type OutputOf = FunctionNamed | undefined;

export function problem(text: string): ProblemFound {
  return { type: "problem", text };
}

/** Parses by `schema`, or says which member is not as AWS prints it. */
export function withSchema<S extends z.ZodType>(
  schema: S,
  read: (value: z.output<S>, of: OutputOf) => readonly Found[],
): (document: unknown, of: OutputOf) => readonly Found[] {
  return (document, of) => {
    const parsed = schema.safeParse(document);
    if (parsed.success) return read(parsed.data, of);
    return parsed.error.issues.map(({ path, message }) => problem(`${path.join(".")}: ${message}`));
  };
}

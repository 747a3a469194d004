import { z } from "zod";

const schema = z.object({
  SOAK_MINUTES: z.coerce.number().positive().max(10_080).default(10),
  SOAK_SEED: z.coerce.number().int().default(20_261_124),
});

/** How long each run takes its load, minutes; and where its random sequences begin. Throws when a variable is no number. */
export function soakSettings(env: NodeJS.ProcessEnv): { readonly minutes: number; readonly seed: number } {
  const { SOAK_MINUTES, SOAK_SEED } = schema.parse(env);
  return { minutes: SOAK_MINUTES, seed: SOAK_SEED };
}

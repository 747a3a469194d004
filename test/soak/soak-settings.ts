import { z } from "zod";

const schema = z.object({
  SOAK_MINUTES: z.coerce.number().positive().max(10_080).default(10),
  SOAK_SEED: z.coerce.number().int().default(20_261_124),
  SOAK_FAULTS: z.string().optional(),
});

export interface SoakSettings {
  /** How long each run takes its load. */
  readonly minutes: number;
  /** Where its random sequences begin. */
  readonly seed: number;
  /** Which faults of routers are wanted. Absent: all. */
  readonly faultNames?: RegExp;
}

/** Throws when a variable is not what it should be. */
export function soakSettings(env: NodeJS.ProcessEnv): SoakSettings {
  const { SOAK_MINUTES, SOAK_SEED, SOAK_FAULTS } = schema.parse(env);
  const faultNames = SOAK_FAULTS === undefined ? {} : { faultNames: new RegExp(SOAK_FAULTS) };
  return { minutes: SOAK_MINUTES, seed: SOAK_SEED, ...faultNames };
}

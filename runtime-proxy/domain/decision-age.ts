/** How old a remembered decision may be, ms. */
export interface DecisionLife {
  /** Used as it is. */
  readonly freshMs: number;
  /** Used, and asked for again behind: who calls all the time never waits. */
  readonly renewMs: number;
  /** Used as long as there is nobody to ask. */
  readonly outageMs: number;
}

export type DecisionUse = "use" | "useAndRenew" | "ask" | "forget";

/** What is to be done with a decision of this age; `ask` falls back to it when there is no answer. */
export function useOf(ageMs: number, { freshMs, renewMs, outageMs }: DecisionLife): DecisionUse {
  if (ageMs < freshMs) return "use";
  if (ageMs < renewMs) return "useAndRenew";
  return ageMs < outageMs ? "ask" : "forget";
}

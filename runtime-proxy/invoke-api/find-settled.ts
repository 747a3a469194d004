import { sleep, type Clock } from "../../lib/clock.ts";
import type { FunctionDirectory } from "../domain/function-facts.ts";
import { InvokeError } from "./errors.ts";
import type { FoundFunction } from "./find-function.ts";
import { stateRefusal } from "./function-refusal.ts";

/** Who waited for `Ready` at the API server may be here before the watch has told us. */
const settleMs = 500;
const lookEveryMs = 25;
/** Callers that look again at once; of a flood of unknown names the others are refused at once. */
const mostLooking = 200;

type Outcome = { readonly found: FoundFunction } | { readonly error: unknown };

export interface FindSettledParts {
  readonly functions: Pick<FunctionDirectory, "onChange">;
  readonly clock: Clock;
}

/** Looks again, when functions have changed, for what is not there or not ready, before its caller is refused. Throws or rejects as `find` throws. */
export type FindSettled = (find: () => FoundFunction) => FoundFunction | Promise<FoundFunction>;

export function createFindSettled({ functions, clock }: FindSettledParts): FindSettled {
  let changes = 0;
  let looking = 0;
  functions.onChange(() => (changes += 1));

  async function lookAgain(find: () => FoundFunction, first: Outcome): Promise<FoundFunction> {
    const untilMs = clock.monotonicMs() + settleMs;
    let [outcome, seen] = [first, changes];
    looking += 1;
    try {
      while (mayChange(outcome) && clock.monotonicMs() < untilMs) {
        await sleep(clock, lookEveryMs);
        if (changes === seen) continue;
        seen = changes;
        outcome = look(find);
      }
      return settle(outcome);
    } finally {
      looking -= 1;
    }
  }

  return (find) => {
    const outcome = look(find);
    return mayChange(outcome) && looking < mostLooking ? lookAgain(find, outcome) : settle(outcome);
  };
}

function look(find: () => FoundFunction): Outcome {
  try {
    return { found: find() };
  } catch (error) {
    return { error };
  }
}

function mayChange(outcome: Outcome): boolean {
  if ("found" in outcome) return stateRefusal(outcome.found.facts)?.code === "ResourceConflictException";
  return outcome.error instanceof InvokeError && outcome.error.code === "ResourceNotFoundException";
}

function settle(outcome: Outcome): FoundFunction {
  if ("found" in outcome) return outcome.found;
  throw outcome.error;
}

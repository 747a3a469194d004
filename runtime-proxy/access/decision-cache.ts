import type { Clock } from "../../lib/clock.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { useOf, type DecisionLife } from "../domain/decision-age.ts";

export interface DecisionCacheOptions<Decision> {
  readonly clock: Clock;
  readonly lifeOf: (decision: Decision) => DecisionLife;
  /** The oldest go first. */
  readonly mostRemembered: number;
  /** Questions under way at once; more are refused. */
  readonly mostAsked: number;
}

interface Remembered<Decision> {
  readonly decision: Decision;
  readonly atMs: number;
}

/** More questions at once than are let through. */
export class TooManyQuestionsError extends Error {
  override readonly name = "TooManyQuestionsError";
}

/** After a question that could not be put, for so long what is remembered is used without asking, and nothing else is asked. */
const quietMs = 1000;

/** Remembers what was decided elsewhere, for a time, in a bounded number; one question at a time for one key. */
export class DecisionCache<Decision> {
  readonly #options: DecisionCacheOptions<Decision>;
  readonly #remembered = new Map<string, Remembered<Decision>>();
  readonly #asking = new Map<string, Promise<Decision>>();
  #failure: { readonly error: Error; readonly untilMs: number } | undefined;

  constructor(options: DecisionCacheOptions<Decision>) {
    this.#options = options;
  }

  /** At once where it is remembered; else rejects as `ask` does, or with a TooManyQuestionsError. */
  get(key: string, ask: () => Promise<Decision>): Decision | Promise<Decision> {
    const known = this.#remembered.get(key);
    if (known === undefined) return this.#ask(key, ask);
    switch (useOf(this.#nowMs() - known.atMs, this.#options.lifeOf(known.decision))) {
      case "use":
        return known.decision;
      case "useAndRenew":
        // Whoever asks next finds out what came of it.
        this.#ask(key, ask).catch(() => undefined);
        return known.decision;
      case "ask":
        return this.#ask(key, ask).catch(() => known.decision);
      case "forget":
        this.#remembered.delete(key);
        return this.#ask(key, ask);
    }
  }

  get size(): number {
    return this.#remembered.size;
  }

  #ask(key: string, ask: () => Promise<Decision>): Promise<Decision> {
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    if (this.#failure !== undefined && this.#nowMs() < this.#failure.untilMs) {
      return Promise.reject(this.#failure.error);
    }
    if (this.#asking.size >= this.#options.mostAsked) {
      return Promise.reject(new TooManyQuestionsError(`${this.#asking.size} questions are under way`));
    }
    const answer = this.#askNow(key, ask).finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }

  async #askNow(key: string, ask: () => Promise<Decision>): Promise<Decision> {
    const atMs = this.#nowMs();
    try {
      const decision = await ask();
      this.#failure = undefined;
      this.#remember(key, { decision, atMs });
      return decision;
    } catch (error) {
      // What one question alone brought about is no reason to leave others unasked.
      if (isKubernetesError(error, "Unavailable")) this.#failure = { error, untilMs: this.#nowMs() + quietMs };
      throw error;
    }
  }

  #remember(key: string, remembered: Remembered<Decision>): void {
    this.#remembered.delete(key);
    const oldest = this.#remembered.keys().next();
    if (this.#remembered.size >= this.#options.mostRemembered && oldest.done === false) {
      this.#remembered.delete(oldest.value);
    }
    this.#remembered.set(key, remembered);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

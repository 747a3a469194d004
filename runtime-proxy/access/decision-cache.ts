import type { Clock } from "../../lib/clock.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { useOf, type DecisionLife } from "../domain/decision-age.ts";

export interface DecisionCacheOptions<Decision> {
  readonly clock: Clock;
  readonly isYes: (decision: Decision) => boolean;
  readonly lifeOf: (decision: Decision) => DecisionLife;
  /** Of either kind, the oldest go first: whoever brings about many refusals makes nobody's yes forgotten. */
  readonly mostRemembered: number;
  /**
   * Questions under way at once; more are refused. A quarter is kept for what has been a yes, another for what is trusted, and nobody who is known may
   * ask more than a quarter.
   */
  readonly mostAsked: number;
}

interface Remembered<Decision> {
  readonly decision: Decision;
  readonly atMs: number;
}

/** A question, and whose it is. */
export interface Question<Decision> {
  readonly key: string;
  /** Absent: nobody can tell. */
  readonly asker?: string;
  /** Not everybody can bring about such questions in any number. */
  readonly isTrusted?: boolean;
  readonly ask: () => Promise<Decision>;
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
  readonly #yeses = new Map<string, Remembered<Decision>>();
  readonly #noes = new Map<string, Remembered<Decision>>();
  readonly #asking = new Map<string, Promise<Decision>>();
  readonly #askedBy = new Map<string, number>();
  #failure: { readonly error: Error; readonly untilMs: number } | undefined;

  constructor(options: DecisionCacheOptions<Decision>) {
    this.#options = options;
  }

  /** At once where it is remembered; else rejects as `ask` does, or with a TooManyQuestionsError. */
  get(question: Question<Decision>): Decision | Promise<Decision> {
    const { key } = question;
    const yes = this.#yeses.get(key);
    const known = yes ?? this.#noes.get(key);
    if (known === undefined) return this.#ask(question, false);
    switch (useOf(this.#nowMs() - known.atMs, this.#options.lifeOf(known.decision))) {
      case "use":
        return known.decision;
      case "useAndRenew":
        // Whoever asks next finds out what came of it.
        this.#ask(question, yes !== undefined).catch(() => undefined);
        return known.decision;
      case "ask":
        return this.#ask(question, yes !== undefined).catch((error: unknown) => {
          // Nobody to ask, and not: too many who do.
          if (isKubernetesError(error, "Unavailable", "Timeout")) return known.decision;
          throw error;
        });
      case "forget":
        this.#forget(key);
        return this.#ask(question, false);
    }
  }

  /** It is remembered as a yes, however old. */
  wasYes(key: string): boolean {
    return this.#yeses.has(key);
  }

  get size(): number {
    return this.#yeses.size + this.#noes.size;
  }

  #ask(question: Question<Decision>, wasYes: boolean): Promise<Decision> {
    const { key, asker, isTrusted = false } = question;
    const asking = this.#asking.get(key);
    if (asking !== undefined) return asking;
    if (this.#failure !== undefined && this.#nowMs() < this.#failure.untilMs) {
      return Promise.reject(this.#failure.error);
    }
    const refusal = this.#tooMany(asker, (wasYes ? 1 : 0) + (wasYes || isTrusted ? 1 : 0));
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#count(asker, 1);
    const answer = this.#askNow(question).finally(() => {
      this.#asking.delete(key);
      this.#count(asker, -1);
    });
    this.#asking.set(key, answer);
    return answer;
  }

  /** `quarters`: of those that are kept, how many are open to the question. */
  #tooMany(asker: string | undefined, quarters: number): TooManyQuestionsError | undefined {
    const { mostAsked } = this.#options;
    const share = Math.ceil(mostAsked / 4);
    const own = asker === undefined ? 0 : (this.#askedBy.get(asker) ?? 0);
    if (own >= share) return new TooManyQuestionsError(`${own} questions of this caller are under way`);
    const all = this.#asking.size;
    if (all < mostAsked - (2 - quarters) * share) return undefined;
    return new TooManyQuestionsError(`${all} questions are under way`);
  }

  #count(asker: string | undefined, change: 1 | -1): void {
    if (asker === undefined) return;
    const asked = (this.#askedBy.get(asker) ?? 0) + change;
    if (asked > 0) this.#askedBy.set(asker, asked);
    else this.#askedBy.delete(asker);
  }

  async #askNow({ key, ask }: Question<Decision>): Promise<Decision> {
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
    this.#forget(key);
    const { isYes, mostRemembered } = this.#options;
    const kept = isYes(remembered.decision) ? this.#yeses : this.#noes;
    const oldest = kept.keys().next();
    if (kept.size >= mostRemembered && oldest.done === false) kept.delete(oldest.value);
    kept.set(key, remembered);
  }

  #forget(key: string): void {
    this.#yeses.delete(key);
    this.#noes.delete(key);
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}

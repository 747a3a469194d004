import type { Clock } from "../../../lib/clock.ts";

export interface Question<Answer> {
  /** Another id is another question: the former answer is forgotten. */
  readonly id: string;
  /** Never rejects. */
  readonly ask: () => Promise<Answer>;
  /** Until it is asked again, from the answer and how often in a row it was a failure; Infinity: never. */
  readonly againAfterMs: (answer: Answer, failures: number) => number;
  readonly isFailure: (answer: Answer) => boolean;
  /** Until it is asked for the first time; default 0. */
  readonly firstAfterMs?: number;
}

export interface Known<Answer> {
  /** The newest; absent: none yet. */
  readonly answer?: Answer;
  /** Until it is asked again; Infinity: never. */
  readonly againAfterMs: number;
}

interface Entry<Answer> {
  readonly id: string;
  readonly failures: number;
  readonly answer?: Answer;
  /** On the monotonic clock; Infinity while it is being asked. */
  readonly dueAtMs: number;
}

/** One question per key to somebody slow, asked again when it is due. Never makes its caller wait. */
export class Asked<Answer> {
  readonly #clock: Clock;
  readonly #onAnswer: (key: string) => void;
  readonly #entryByKey = new Map<string, Entry<Answer>>();

  constructor(clock: Clock, onAnswer: (key: string) => void) {
    this.#clock = clock;
    this.#onAnswer = onAnswer;
  }

  /** What is known by now; asks where it is due. */
  look(key: string, question: Question<Answer>): Known<Answer> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#entryByKey.get(key);
    const entry =
      known?.id === question.id
        ? known
        : { id: question.id, failures: 0, dueAtMs: nowMs + (question.firstAfterMs ?? 0) };
    if (entry.dueAtMs <= nowMs) this.#ask(key, question, entry);
    else this.#entryByKey.set(key, entry);
    const { answer, dueAtMs } = this.#entryByKey.get(key) ?? entry;
    return { ...(answer !== undefined && { answer }), againAfterMs: dueAtMs - nowMs };
  }

  forget(key: string): void {
    this.#entryByKey.delete(key);
  }

  /** While it asks again, the last answer stands. */
  #ask(key: string, { ask, againAfterMs, isFailure }: Question<Answer>, last: Entry<Answer>): void {
    const asked: Entry<Answer> = { ...last, dueAtMs: Infinity };
    this.#entryByKey.set(key, asked);
    void ask().then((answer) => {
      // The question may be another one by now, or its object gone.
      if (this.#entryByKey.get(key) !== asked) return;
      const dueAtMs = this.#clock.monotonicMs() + againAfterMs(answer, last.failures);
      const failures = isFailure(answer) ? last.failures + 1 : 0;
      this.#entryByKey.set(key, { id: last.id, failures, answer, dueAtMs });
      this.#onAnswer(key);
    });
  }
}

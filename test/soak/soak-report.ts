import type { CallPlan } from "./call-plan.ts";
import type { Verdict } from "./judge.ts";

const shownProblems = 20;

/** Counts what a run met, and keeps what must not have been. */
export class SoakReport {
  readonly #counts = { answers: new Map<string, number>(), faults: new Map<string, number>() };
  readonly #lines: string[] = [];
  /** Wrong answers and errors that nothing explains. */
  readonly wrong: string[] = [];
  readonly unexpected: string[] = [];
  calls = 0;
  right = 0;
  /** Calls that ended in a documented error, which only a fault explains. */
  disturbed = 0;

  call({ functionName, event }: CallPlan, verdict: Verdict): void {
    this.calls += 1;
    const isClean = verdict.kind === "right" || verdict.kind === "fault";
    add(this.#counts.answers, isClean ? verdict.name : `${verdict.kind.toUpperCase()}: ${verdict.name}`);
    if (verdict.kind === "right") this.right += 1;
    else if (verdict.kind === "fault") this.disturbed += 1;
    else this[verdict.kind].push(`${functionName}, call ${event.call}: ${verdict.name}: ${verdict.why}`);
  }

  fault(name: string): void {
    add(this.#counts.faults, name);
  }

  /** How often faults of these names were done. */
  faults(...names: readonly string[]): number {
    return names.reduce((sum, name) => sum + (this.#counts.faults.get(name) ?? 0), 0);
  }

  /** How many calls came to an answer that is named so. */
  answerCount(name: RegExp): number {
    return [...this.#counts.answers].reduce((sum, [answer, count]) => sum + (name.test(answer) ? count : 0), 0);
  }

  /** A figure that stands in the report as it is. */
  note(line: string): void {
    this.#lines.push(line);
  }

  toString(): string {
    const list = (counts: ReadonlyMap<string, number>): string[] =>
      [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `  ${String(count).padStart(7)} ${name}`);
    return [
      `calls: ${this.calls}, right: ${this.right}, disturbed by a fault: ${this.disturbed}, unexplained: ${this.unexpected.length}, wrong: ${this.wrong.length}`,
      "answers:",
      ...list(this.#counts.answers),
      "faults:",
      ...list(this.#counts.faults),
      ...this.#lines,
      ...[...this.wrong, ...this.unexpected].slice(0, shownProblems),
    ].join("\n");
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

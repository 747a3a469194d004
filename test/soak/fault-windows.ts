/** What a call may meet because of a fault. Empty: it has to be answered as if there was none. */
export interface Excuse {
  readonly serviceErrors?: readonly string[];
  /** Types of function errors; of `Runtime.ExitError` a kill alone. */
  readonly functionFaults?: readonly string[];
  readonly mayBreak?: boolean;
}

/** One fault, from before its beginning until what it met is back. */
export interface FaultWindow {
  readonly name: string;
  readonly excuse: Excuse;
  readonly beganMs: number;
  /** When what is away was about to come back. */
  mendedMs?: number;
  endedMs?: number;
  /** Right answers to calls that began and ended before it was mended, by function. */
  readonly rightWithin: Map<string, number>;
}

/** For what is told a moment after the end, as a pod that is gone. */
const tailMs = 1000;

/** Which faults were under way when. */
export class FaultWindows {
  readonly #nowMs: () => number;
  readonly #windows: FaultWindow[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  begin(name: string, excuse: Excuse): FaultWindow {
    const window: FaultWindow = { name, excuse, beganMs: this.#nowMs(), rightWithin: new Map() };
    this.#windows.push(window);
    return window;
  }

  mend(window: FaultWindow): void {
    window.mendedMs = this.#nowMs();
  }

  end(window: FaultWindow): void {
    window.endedMs = this.#nowMs();
  }

  /** Those that a call which began then and ends now has met. */
  metSince(startedMs: number): readonly FaultWindow[] {
    return this.#windows.filter(({ endedMs }) => endedMs === undefined || endedMs + tailMs >= startedMs);
  }

  /** A right answer that ends now. */
  answered(functionName: string, startedMs: number): void {
    for (const { beganMs, mendedMs, endedMs, rightWithin } of this.#windows) {
      if (mendedMs === undefined && endedMs === undefined && beganMs <= startedMs) {
        rightWithin.set(functionName, (rightWithin.get(functionName) ?? 0) + 1);
      }
    }
  }
}

/**
 * A day of calls, shaped as public traces of function platforms are: a few functions have nearly all calls, most have hardly any; some come by
 * the clock, some in bursts, the rest at random with a daily curve. Source: Shahrad et al., Serverless in the Wild, USENIX ATC 2020 (figures
 * 3 to 7: calls a function, triggers, durations; 45 % of functions have at most one call an hour, half of them run for less than 1 s).
 */

export interface TracedCall {
  /** Index of the function. */
  readonly functionIndex: number;
  /** Since midnight. */
  readonly atMs: number;
  readonly durationMs: number;
}

export interface DayOptions {
  readonly functions: number;
  /** Most calls of all functions together. */
  readonly mostCalls: number;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

export const dayMs = 24 * 3600_000;
const minuteMs = 60_000;
/** Calls a day: median and spread of a lognormal, natural logarithm. */
const callsMedian = 24;
const callsSigma = 3;
const mostCallsOfOne = 60_000;
/** Of the functions' median durations, and of one function's calls. */
const durationMedianMs = 600;
const durationSigma = 1.3;
const jitterSigma = 0.4;
const longestMs = 60_000;
const timerPeriodsMs: readonly number[] = [1, 5, 5, 15, 60, 60, 240, 1440].map((minutes) => minutes * minuteMs);
const timerShare = 0.3;
const burstyShare = 0.2;
const burstCalls = 20;
const burstMs = 2000;

/** All calls in the order of their time. */
export function traceDay({ functions, mostCalls, draw }: DayOptions): readonly TracedCall[] {
  const calls = Array.from({ length: functions }, (_, functionIndex) => callsOf(functionIndex, draw)).flat();
  const kept = calls.length > mostCalls ? calls.filter(() => draw() < mostCalls / calls.length) : calls;
  return kept.sort((a, b) => a.atMs - b.atMs);
}

function callsOf(functionIndex: number, draw: () => number): readonly TracedCall[] {
  const medianMs = durationMedianMs * Math.exp(durationSigma * normal(draw));
  const count = Math.min(mostCallsOfOne, Math.ceil(callsMedian * Math.exp(callsSigma * normal(draw))));
  return momentsOf(count, draw).map((atMs) => ({
    functionIndex,
    atMs,
    durationMs: Math.min(longestMs, Math.max(1, medianMs * Math.exp(jitterSigma * normal(draw)))),
  }));
}

function momentsOf(count: number, draw: () => number): readonly number[] {
  const kind = draw();
  if (kind < timerShare) return timerMoments(draw);
  if (kind < timerShare + burstyShare) return burstMoments(count, draw);
  return Array.from({ length: count }, () => dailyMoment(draw));
}

function timerMoments(draw: () => number): readonly number[] {
  const periodMs = timerPeriodsMs[Math.floor(draw() * timerPeriodsMs.length)] ?? dayMs;
  // Most timers fire at the full minute, all together.
  const firstMs = Math.floor((draw() * periodMs) / minuteMs) * minuteMs;
  return Array.from({ length: Math.floor((dayMs - firstMs - 1) / periodMs) + 1 }, (_, i) => firstMs + i * periodMs);
}

function burstMoments(count: number, draw: () => number): readonly number[] {
  const bursts = Math.ceil(count / burstCalls);
  return Array.from({ length: bursts }, () => dailyMoment(draw)).flatMap((startMs) =>
    Array.from({ length: Math.min(count, burstCalls) }, () => Math.min(dayMs - 1, startMs + draw() * burstMs)),
  );
}

/** More by day than by night: between 0.5 and 1.5 times the mean. */
function dailyMoment(draw: () => number): number {
  for (;;) {
    const atMs = draw() * dayMs;
    if (draw() * 1.5 < 1 - 0.5 * Math.cos((2 * Math.PI * atMs) / dayMs)) return atMs;
  }
}

/** Box-Muller. */
function normal(draw: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

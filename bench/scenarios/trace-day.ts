import type { Comparison, Reading } from "../comparison.ts";
import type { Scenario } from "../context.ts";
import { numberOf } from "../number-of.ts";
import { dayMetrics, readDay } from "../trace/day-result.ts";
import { dayOnPlatform } from "../trace/day-platform.ts";
import { traceDay } from "../trace/day.ts";
import { fixedKeepAlive } from "../trace/fixed-keep-alive.ts";

const subject = "kubelambda, 300 s";
const minuteMs = 60_000;
/** As the chart has it. */
const keepAliveMs = 5 * minuteMs;
/** Of all functions together; a day of more says the same and takes longer. */
const mostCalls = 150_000;

/** A day of calls in seconds: which calls find no environment, and how long environments stand. KUBELAMBDA_BENCH_COLD_MS is a cold start's time, KUBELAMBDA_BENCH_FUNCTIONS the number of functions. */
export const traceDayScenario: Scenario = {
  summary:
    "a day of trace-shaped calls through the real pool and autoscaler on a virtual clock, against fixed keep-alives",
  async run({ rounds, draw, progress }) {
    const coldMs = numberOf("KUBELAMBDA_BENCH_COLD_MS", 1240);
    const functions = numberOf("KUBELAMBDA_BENCH_FUNCTIONS", 300);
    const measured: Record<string, Reading>[] = [];
    let calls = 0;
    for (let round = 0; round < rounds; round += 1) {
      progress(`A day of ${functions} functions: ${round + 1} of ${rounds} …`);
      const day = traceDay({ functions, mostCalls, draw });
      calls += day.length;
      measured.push({
        [subject]: readDay(await dayOnPlatform(day, { functions, keepAliveMs, startMs: coldMs })),
        "fixed, 300 s": readDay(fixedKeepAlive(day, { keepAliveMs, coldMs })),
        "fixed, 600 s": readDay(fixedKeepAlive(day, { keepAliveMs: 2 * keepAliveMs, coldMs })),
        "fixed, 60 s": readDay(fixedKeepAlive(day, { keepAliveMs: minuteMs, coldMs })),
      });
    }
    const notes = [
      `${functions} functions, ${Math.round(calls / rounds)} calls a day (heavy-tailed, timers, bursts, a daily curve); another day each round, from the seed`,
      `a pod is ready ${coldMs} ms after it was asked for; the pool, the load report and the scaling decision are those of a cluster, the clock is virtual and no function runs`,
      "cold: the call waited; with us also for an environment that came free, which a fixed keep-alive never gives to a call that waits",
    ];
    const baselines = ["fixed, 300 s", "fixed, 600 s", "fixed, 60 s"];
    const title = "a day of calls";
    return [{ title, subject, baselines, metrics: dayMetrics, rounds: measured, notes } satisfies Comparison];
  },
};

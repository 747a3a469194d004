/** The chart's table of runtimes, and what a function may still do with an entry of it. Pure. */
import type { FunctionSpec } from "../../../crds/v1alpha1/function.ts";
import type { Recipe } from "./recipe.ts";
import type { Problem } from "./served-fields.ts";

/** Lambda's phases. Source: developer guide, lambda-runtimes, "Runtime deprecation policy". */
export const runtimeStates = ["supported", "deprecated", "createBlocked", "updateBlocked"] as const;

export interface RuntimeEntry {
  /** Absent only where nothing can be made or changed with it. */
  readonly image?: string | undefined;
  readonly state: (typeof runtimeStates)[number];
  /** `YYYY-MM-DD`: from that day on a supported one counts as deprecated. Nothing is blocked by a date. */
  readonly deprecationDate?: string | undefined;
}

/** Runtime identifier → what runs it. */
export type RuntimeTable = Readonly<Record<string, RuntimeEntry>>;

export type RuntimeStanding =
  | { readonly type: "usable" }
  /** What runs goes on as it is; the problem stands against any change. */
  | { readonly type: "unchangedOnly"; readonly problem: Problem }
  | { readonly type: "refused"; readonly problem: Problem };

export function entryOf(runtimes: RuntimeTable, runtime = ""): RuntimeEntry | undefined {
  return Object.hasOwn(runtimes, runtime) ? runtimes[runtime] : undefined;
}

/** `serving`: what the function runs now; absent: it is being made. An image brings its own runtime. */
export function runtimeStanding(
  { packageType, runtime = "" }: FunctionSpec,
  runtimes: RuntimeTable,
  serving: Recipe | undefined,
): RuntimeStanding {
  if (packageType === "Image") return { type: "usable" };
  const problem = findProblem(runtime, runtimes, serving);
  if (problem === undefined) return { type: "usable" };
  return { type: serving?.document.runtime === runtime ? "unchangedOnly" : "refused", problem };
}

/** Texts of Lambda's InvalidParameterValueException, as users report them. A function that is there may still be changed to one that is blocked for new ones. */
function findProblem(runtime: string, runtimes: RuntimeTable, serving: Recipe | undefined): Problem | undefined {
  const entry = entryOf(runtimes, runtime);
  if (entry === undefined) {
    const message = `Value ${runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${namesIn(runtimes, ["supported", "deprecated"]).join(", ")}]; an administrator adds one by the chart's value runtimes`;
    return { reason: "UnknownRuntime", message };
  }
  const isBlocked = entry.state === "updateBlocked" || (entry.state === "createBlocked" && serving === undefined);
  if (!isBlocked) return undefined;
  const message = `The runtime parameter of ${runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use the new runtime (${successorsOf(runtime, runtimes)}) while creating or updating functions.`;
  return { reason: "BlockedRuntime", message };
}

/** What is to be said of a function that runs; undefined: nothing. `now` is ISO 8601. */
export function runtimeNotice(
  { packageType, runtime = "" }: FunctionSpec,
  runtimes: RuntimeTable,
  now: string,
): Problem | undefined {
  if (packageType === "Image") return undefined;
  const entry = entryOf(runtimes, runtime);
  const newer = `move to ${successorsOf(runtime, runtimes)}`;
  if (entry === undefined) {
    const message = `its runtime "${runtime}" is no longer in the chart's table: it goes on with the image that it has, and can be changed no more; ${newer}`;
    return { reason: "RuntimeRemoved", message };
  }
  const isDated = entry.deprecationDate !== undefined && entry.deprecationDate <= now;
  if (entry.state === "supported" && !isDated) return undefined;
  const since = entry.deprecationDate === undefined ? "" : ` since ${entry.deprecationDate}`;
  const blocked = { createBlocked: ", and closed to new functions", updateBlocked: ", and can be changed no more" };
  const more = entry.state === "createBlocked" || entry.state === "updateBlocked" ? blocked[entry.state] : "";
  return { reason: "DeprecatedRuntime", message: `its runtime "${runtime}" is deprecated${since}${more}: ${newer}` };
}

/** Longest wait that a timer takes, and short enough to notice a clock that was set. */
const longestLookMs = 20 * 24 * 3_600_000;

/** Until a date of the table changes what is said of the function, ms; undefined: none will. */
export function noticeChangesAfterMs(
  { runtime }: FunctionSpec,
  runtimes: RuntimeTable,
  now: string,
): number | undefined {
  const date = entryOf(runtimes, runtime)?.deprecationDate;
  const afterMs = date === undefined ? 0 : Date.parse(date) - Date.parse(now);
  return afterMs > 0 ? Math.min(afterMs, longestLookMs) : undefined;
}

/** Of the same language where there are some, the newest first; else all that are supported. */
function successorsOf(runtime: string, runtimes: RuntimeTable): string {
  const supported = namesIn(runtimes, ["supported"]);
  const family = /^[a-z]+/.exec(runtime)?.[0] ?? "";
  const siblings = supported.filter((name) => /^[a-z]+/.exec(name)?.[0] === family);
  const [newest] = siblings.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  return newest ?? (supported.length > 0 ? supported.join(", ") : "an image function");
}

function namesIn(runtimes: RuntimeTable, states: readonly RuntimeEntry["state"][]): string[] {
  return Object.keys(runtimes)
    .filter((name) => states.includes(runtimes[name]?.state ?? "updateBlocked"))
    .sort();
}

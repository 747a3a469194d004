/** What must hold of all calls and runs of a fleet, whatever happened to it: a pure look at both records. */
import type { LoadCall } from "./fleet-load.ts";
import { peakOf, type Run } from "./run-record.ts";

export interface Limits {
  /** By function. */
  readonly reserved: Readonly<Record<string, number>>;
  readonly account: number;
  /** Most that was left at any time for functions without a reservation. */
  readonly left: number;
}

/** By the machine's monotonic clock. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** For a while a function's limit was another, and who decides knew it. */
export interface LimitWindow extends TimeWindow {
  readonly name: string;
  readonly limit: number;
}

export interface Evidence {
  readonly calls: readonly LoadCall[];
  readonly runs: readonly Run[];
  readonly limits: Limits;
  /** Limits that were lower meanwhile: of what began then. */
  readonly windows?: readonly LimitWindow[];
  /** uids of routers that were killed: their own clients may be left without an answer. */
  readonly killed: ReadonlySet<string>;
  /** What was going on at a moment, to be told. */
  readonly duringAt?: (atMs: number) => string;
  /** When something was done to environments that may end a call in the middle. */
  readonly losses: readonly TimeWindow[];
}

export interface Held {
  readonly what: string;
  readonly most: number;
  readonly limit: number;
  /** When it was so. */
  readonly atMs: number;
}

/** Most at once of each function that has a reservation, of all others together, and of the account. */
export function limitsHeld({ runs, limits: { reserved, account, left } }: Pick<Evidence, "runs" | "limits">): Held[] {
  const others = runs.filter(({ name }) => reserved[name] === undefined);
  return [
    ...Object.entries(reserved).map(([name, limit]) => ({
      what: `function "${name}"`,
      ...peakOf(runs.filter((run) => run.name === name)),
      limit,
    })),
    { what: "functions without a reservation", ...peakOf(others), limit: left },
    { what: "account", ...peakOf(runs), limit: account },
  ];
}

/** Every sentence is something that must not be; empty: all is as promised. */
export function violations(evidence: Evidence): readonly string[] {
  const duringAt = evidence.duringAt ?? (() => "");
  const { calls, runs } = evidence;
  const beyond = limitsHeld(evidence).filter(({ most, limit }) => most > limit);
  const runById = new Map(runs.map((run) => [run.id, run]));
  const again = runs.filter((run) => runById.get(run.id) !== run);
  return [
    ...beyond.map(({ what, most, limit, atMs }) => {
      const there = runs.filter(({ beginMs, endMs }) => beginMs <= atMs && (endMs > atMs || beginMs === atMs));
      const named = there.map(({ id, name, podUid, beginMs, endMs }) => {
        return `"${id}" of "${name}" in ${podUid.slice(0, 4)} (${(beginMs - atMs).toFixed(1)} to ${(endMs - atMs).toFixed(1)} ms)`;
      });
      return `${what}: ${most} ran at once, the limit is ${limit}${duringAt(atMs)}: ${named.join(", ")}`;
    }),
    ...(evidence.windows ?? []).flatMap((window) => beyondLowered(window, runs) ?? []),
    ...again.map(({ id }) => `call "${id}" ran twice`),
    ...calls.flatMap((call) => wrongAnswer(call, runById.get(call.id)) ?? []),
    ...calls.flatMap((call) => undocumented(call, evidence) ?? []),
  ];
}

/** Why calls that began together, each running `runMs`, do not show that there is room for all at once; undefined: they do. */
export function roomMissing(calls: readonly LoadCall[], runMs: number): string | undefined {
  const others = calls.filter((call) => kindOf(call) !== "200");
  const ran = `${calls.length - others.length} of ${calls.length} ran`;
  if (others.length > 0)
    return `${ran}: ${others.map((call) => `one of "${call.name}" ended with ${kindOf(call)}`).join(", ")}`;
  const tookMs = Math.max(...calls.map(({ endedMs }) => endedMs)) - Math.min(...calls.map(({ beganMs }) => beganMs));
  // Each takes more than half of that time, so all of them run in its middle.
  return tookMs < 2 * runMs
    ? undefined
    : `${ran}, and one after another: ${Math.round(tookMs)} ms for ${runMs} ms each`;
}

function beyondLowered({ name, limit, fromMs, untilMs }: LimitWindow, runs: readonly Run[]): string | undefined {
  const begun = runs.filter((run) => run.name === name && run.beginMs >= fromMs && run.beginMs <= untilMs);
  const { most } = peakOf(begun);
  return most > limit ? `function "${name}": ${most} ran at once while its limit was ${limit}` : undefined;
}

/** How a call ended, in few words: calls of one kind have the same. */
export function kindOf({ answer }: LoadCall): string {
  if (answer === undefined) return "no answer: the connection broke";
  const error = String(answer.headers["x-amzn-errortype"] ?? "");
  const functionError = answer.headers["x-amz-function-error"];
  if (functionError !== undefined) return `200, function error ${textOf(bodyOf(answer.body)["errorType"])}`;
  if (answer.status === 200) return "200";
  return `${answer.status} ${error}: ${textOf(bodyOf(answer.body)["Reason"]) || sentenceOf(bodyOf(answer.body))}`;
}

/** Without what differs from call to call. */
function sentenceOf(body: Readonly<Record<string, unknown>>): string {
  const message = textOf(body["Message"] ?? body["message"]);
  return message
    .replace(/RequestId: \S+ /, "")
    .replace(/"[^"]*"/g, "…")
    .slice(0, 160);
}

function wrongAnswer({ id, name, answer }: LoadCall, run: Run | undefined): string | undefined {
  if (run !== undefined && run.name !== name) return `call "${id}" of "${name}" ran in "${run.name}"`;
  if (answer?.status !== 200 || answer.headers["x-amz-function-error"] !== undefined) return undefined;
  const body = bodyOf(answer.body);
  if (body["id"] !== id || body["name"] !== name) return `call "${id}" of "${name}" was answered with ${answer.body}`;
  return run === undefined ? `call "${id}" was answered and did not run` : undefined;
}

function undocumented(call: LoadCall, { killed, losses }: Evidence): string | undefined {
  const { id, answer, router } = call;
  const kind = kindOf(call);
  if (answer === undefined)
    return killed.has(router) ? undefined : `call "${id}" got no answer, and its router was not killed`;
  const mayBeLost = losses.some(({ fromMs, untilMs }) => call.beganMs <= untilMs && call.endedMs >= fromMs);
  const isExpected =
    kind === "200" ||
    /^429 TooManyRequestsException: (Reserved)?(Function)?\w+LimitExceeded$/.test(kind) ||
    (mayBeLost && lossKinds.test(kind));
  return isExpected ? undefined : `call "${id}" ended with ${kind}`;
}

const lossKinds =
  /^500 ServiceException: Error: Cannot invoke …: (the connection to its execution environment broke during the call|its execution environment did not answer in time)$|^200, function error (Runtime\.ExitError|Sandbox\.\w+)$/;

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function bodyOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
}

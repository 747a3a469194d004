/** A small adversarial world around the lifecycle: everything that runtime, extensions, router, timers and kernel may do at any moment. */
import type { LifecycleEffect } from "../../runtime-proxy/domain/lifecycle/effect.ts";
import type { LifecycleInput, ResponseEnd } from "../../runtime-proxy/domain/lifecycle/input.ts";
import { initialState, type LifecycleState } from "../../runtime-proxy/domain/lifecycle/state.ts";
import { step } from "../../runtime-proxy/domain/lifecycle/step.ts";

export interface WorldOptions {
  /** Files in /opt/extensions, with the events that each subscribes to. */
  readonly external: Readonly<Record<string, readonly ("INVOKE" | "SHUTDOWN")[]>>;
  /** Extensions within the runtime. */
  readonly internal: Readonly<Record<string, readonly ("INVOKE" | "SHUTDOWN")[]>>;
  readonly invocations: number;
  readonly isStreamed: boolean;
  readonly stopsBetweenInvocations: boolean;
  /** How often something may happen that should not: an exit, a failed start, a lost container or connection, a call that is wrong. */
  readonly faults: number;
}

type CallerHas = "waiting" | "streaming" | "answered" | "refused";
type Told = "nothing" | "start" | "done" | "reported";
interface Running {
  readonly process: number;
  readonly whose: string;
  readonly isKilled: boolean;
}

/** Plain data: copied for every step. */
export interface World {
  readonly life: LifecycleState;
  /** What was asked for and will be told. */
  readonly due: readonly LifecycleInput[];
  readonly running: readonly Running[];
  /** Bodies that the runtime has begun to send. */
  readonly bodies: readonly { readonly start: number; readonly kind: "response" | "error" | "initError" }[];
  readonly callers: readonly { readonly has: CallerHas; readonly told: Told }[];
  /** The caller whose event is out, -1: none; whether its runtime has it. */
  readonly current: number;
  readonly isStandingStill: boolean;
  readonly isShuttingDown: boolean;
  readonly hasEnded: boolean;
  readonly faults: number;
  readonly isDrained: boolean;
}

export interface Move {
  readonly name: string;
  readonly world: World;
}

export function firstWorld(options: WorldOptions): World {
  const { stopsBetweenInvocations } = options;
  const life = initialState({ timeoutMs: 3000, initTimeoutMs: 10_000, stopsBetweenInvocations });
  return {
    life,
    due: [],
    running: [],
    bodies: [],
    callers: [],
    current: -1,
    isStandingStill: false,
    isShuttingDown: false,
    hasEnded: false,
    faults: 0,
    isDrained: false,
  };
}

/** Two worlds with the same key are the same: values without names, in the order in which they were written. */
export function keyOf({ life, ...world }: World): string {
  const { rules: _rules, files: _files, ...rest } = life;
  return JSON.stringify([valuesOf(rest), valuesOf(world)]);
}

function valuesOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.values(value).map(valuesOf);
}

/** What happens by itself, sooner or later, whoever misbehaves. */
export function certainMoves(world: World): Move[] {
  const due = world.due.flatMap((input, index) => {
    const rest = { ...world, due: world.due.filter((_, other) => other !== index) };
    if (input.type !== "allGone") return [take(rest, input)];
    return world.running.length > 0 ? [] : [take({ ...rest, isShuttingDown: false }, input)];
  });
  const timers = world.life.timers.map((name) => take(world, { type: "timer", name }));
  const dying = world.running.filter(({ isKilled }) => isKilled).map((running) => exit(world, running));
  return [...due, ...timers, ...dying];
}

/** What anybody may do besides. */
export function freeMoves(world: World, options: WorldOptions): Move[] {
  const faulty = world.faults < options.faults ? { ...world, faults: world.faults + 1 } : undefined;
  return [
    ...routerMoves(world, options),
    ...processMoves(world, options, faulty),
    ...(faulty === undefined ? [] : faultMoves(faulty)),
  ];
}

function routerMoves(world: World, options: WorldOptions): Move[] {
  const moves: Move[] = [];
  const { phase } = world.life;
  if (phase === "Connecting") moves.push(take(world, { type: "connected", files: Object.keys(options.external) }));
  if (world.callers.length < options.invocations) {
    const requestId = String(world.callers.length);
    moves.push(take(world, { type: "invoke", requestId, isStreamed: options.isStreamed }));
  }
  if (!world.isDrained) moves.push(take({ ...world, isDrained: true }, { type: "drain" }));
  return moves;
}

/** Of the kernel: ends, failed starts, lost connections. */
function faultMoves(faulty: World): Move[] {
  const error = { code: "InvalidEntrypoint", message: "fork/exec x: permission denied" } as const;
  return [
    ...(faulty.hasEnded ? [] : [take(faulty, { type: "lost" })]),
    ...faulty.running.map((running) => exit(faulty, running)),
    ...faulty.running.map(({ process }) => take(without(faulty, process), { type: "startFailed", process, error })),
    ...pollsGone(faulty),
  ];
}

function pollsGone(faulty: World): Move[] {
  const { start, runtime, extensions } = faulty.life;
  const polling = extensions.filter(({ isPolling }) => isPolling);
  return [
    ...(runtime.polls > 0 ? [take(faulty, { type: "runtimePollGone", start })] : []),
    ...polling.map(({ id }) => take(faulty, { type: "extensionPollGone", id })),
  ];
}

function processMoves(world: World, options: WorldOptions, faulty: World | undefined): Move[] {
  if (world.isStandingStill) return [];
  const own = world.running.filter(({ isKilled }) => !isKilled);
  const calls = own.flatMap(({ whose }) => [
    ...callsOf(world, whose, options),
    ...(faulty === undefined ? [] : faultyCallsOf(faulty, whose, options)),
  ]);
  return [...calls, ...bodyMoves(world, options, faulty)];
}

function callsOf(world: World, whose: string, { external, internal }: WorldOptions): Move[] {
  if (whose !== "runtime") return extensionCalls(world, whose, external[whose] ?? []);
  const requestId = world.life.current?.requestId ?? "0";
  const call = { type: "responseBegun", requestId, hasInvalidMode: false } as const;
  return [
    ...Object.entries(internal).flatMap(([name, events]) => extensionCalls(world, name, events)),
    ...(world.life.runtime.polls < 1 ? [take(world, { type: "runtimeNext" })] : []),
    ...(world.bodies.length < 1 ? [begin(world, "response", { ...call, call: "response" })] : []),
    ...(world.bodies.length < 1 ? [begin(world, "error", { ...call, call: "error" })] : []),
  ];
}

function faultyCallsOf(faulty: World, whose: string, { internal }: WorldOptions): Move[] {
  if (whose !== "runtime") return faultyExtensionCalls(faulty, whose);
  const requestId = faulty.life.current?.requestId ?? "0";
  const call = { type: "responseBegun", call: "response", hasInvalidMode: false } as const;
  return [
    ...Object.keys(internal).flatMap((name) => faultyExtensionCalls(faulty, name)),
    take(faulty, { type: "runtimeNext" }),
    begin(faulty, "initError", { type: "initErrorBegun" }),
    begin(faulty, "response", { ...call, requestId }),
    take(faulty, { ...call, requestId: "another" }),
    take(faulty, { ...call, requestId, hasInvalidMode: true }),
  ];
}

function extensionCalls(world: World, name: string, events: readonly ("INVOKE" | "SHUTDOWN")[]): Move[] {
  const id = idOf(world, name);
  return [take(world, { type: "register", name, events, id }), take(world, { type: "extensionNext", id })];
}

function faultyExtensionCalls(faulty: World, name: string): Move[] {
  const id = idOf(faulty, name);
  return [take(faulty, { type: "extensionInitError", id }), take(faulty, { type: "extensionExitError", id })];
}

const idOf = ({ life }: World, name: string): string => `${name}-${life.start}`;

const emptyPayload = { chunks: [], bytes: 0 };

/** A body goes on, ends as it should, or breaks off; those of an earlier start only break off. */
function bodyMoves(world: World, { isStreamed }: WorldOptions, faulty: World | undefined): Move[] {
  return world.bodies.flatMap((body, index) => {
    const { start, kind } = body;
    const bodies = world.bodies.filter((_, other) => other !== index);
    const done = (from: World, end: ResponseEnd): Move =>
      take({ ...from, bodies }, { type: "responseDone", start, end });
    if (kind === "initError") {
      const report = { payload: emptyPayload, contentType: "application/json", errorType: undefined };
      return [take({ ...world, bodies }, { type: "initErrorDone", start, report })];
    }
    if (start !== world.life.start) return [done(world, { kind: "truncated" })];
    const hasBegun = world.callers[world.current]?.has === "streaming";
    const mayStream = isStreamed && kind === "response" && !hasBegun;
    const answer = { payload: emptyPayload, contentType: "application/json", isFunctionError: kind === "error" };
    return [
      ...(mayStream ? [take(world, { type: "responseStreams", start, contentType: "text/plain" })] : []),
      done(world, hasBegun ? { kind: "streamed" } : { kind: "whole", answer }),
      ...(faulty === undefined ? [] : [done(faulty, { kind: "tooLarge" }), done(faulty, { kind: "truncated" })]),
    ];
  });
}

function begin(world: World, kind: World["bodies"][number]["kind"], input: LifecycleInput): Move {
  const { verdict } = step(world.life, input);
  const { start } = world.life;
  return take(verdict.ok ? { ...world, bodies: [...world.bodies, { start, kind }] } : world, input);
}

function exit(world: World, { process }: Running): Move {
  const left = { process, status: 1, outOfMemory: false };
  return take(without(world, process), { type: "exited", exit: left });
}

function without(world: World, process: number): World {
  return { ...world, running: world.running.filter((running) => running.process !== process) };
}

/** One step of the lifecycle and what its effects do to the world; throws where they may not be. */
export function take(world: World, input: LifecycleInput): Move {
  const name = JSON.stringify(input);
  const { state, effects, verdict } = step(world.life, input);
  let next: World = { ...world, life: state };
  if (input.type === "invoke" && verdict.ok) {
    next = { ...next, callers: [...next.callers, { has: "waiting", told: "nothing" }] };
  }
  if (input.type === "invoke" && !verdict.ok) {
    // Counted, so that a world of refusals ends too.
    next = { ...next, callers: [...next.callers, { has: "refused", told: "nothing" }] };
  }
  for (const effect of effects) next = carryOut(next, effect);
  return { name, world: next };
}

class BrokenPromise extends Error {}

function assume(holds: boolean, message: string): void {
  if (!holds) throw new BrokenPromise(message);
}

function carryOut(world: World, effect: LifecycleEffect): World {
  assume(!world.hasEnded, `${effect.type} after the end`);
  switch (effect.type) {
    case "startProcess":
      assume(!world.isShuttingDown, "a process is started while others are shut down");
      assume(!world.running.some(({ whose }) => whose === (effect.extension ?? "runtime")), "started twice");
      return {
        ...world,
        running: [...world.running, { process: effect.process, whose: effect.extension ?? "runtime", isKilled: false }],
      };
    case "signal":
      assume(!world.isStandingStill, "a signal to what stands still");
      return effect.signal === "SIGKILL"
        ? { ...world, running: world.running.map((each) => killed(each, effect.process)) }
        : { ...world, isShuttingDown: true };
    case "killAll":
      assume(!world.isStandingStill, "what stands still is killed");
      return {
        ...world,
        isShuttingDown: true,
        running: world.running.map((each) => ({ ...each, isKilled: true })),
        due: [...world.due, { type: "allGone" }],
      };
    case "hearOut":
      return { ...world, due: [...world.due, { type: "heardOut", start: world.life.start }] };
    case "catchUp":
      return { ...world, due: [...world.due, { type: "caughtUp" }] };
    case "flushTelemetry":
      return {
        ...world,
        isShuttingDown: true,
        due: [...world.due, { type: "telemetryFlushed", start: world.life.start }],
      };
    case "report":
      return tell({ ...world, due: [...world.due, { type: "reported" }] }, "done", "reported");
    case "stop":
      assume(world.life.phase === "Idle", "stopped in the middle of something");
      return { ...world, isStandingStill: true };
    case "goOn":
      assume(world.isStandingStill, "woken twice");
      return { ...world, isStandingStill: false };
    case "begin":
      assume(!world.isShuttingDown, "an invocation begins in a shutdown");
      return { ...world, current: world.callers.findIndex(({ told, has }) => told === "nothing" && has === "waiting") };
    case "tellStart":
      return tell(world, "nothing", "start");
    case "tellRuntimeDone":
      return tell(world, "start", "done");
    case "deliver":
      assumeDeliverable(world);
      assume(world.callers[world.current]?.told === "start", "an event of an invocation that is not running");
      return world;
    case "deliverToExtension":
      if (effect.event === "INVOKE") assumeDeliverable(world);
      else assume(world.life.shutdown !== undefined, "SHUTDOWN without a shutdown");
      return world;
    case "answer":
      return give(world, "waiting", "answered");
    case "openStream":
      return give(world, "waiting", "streaming");
    case "closeStream":
      return give(world, "streaming", "answered");
    case "refuseQueued": {
      const index = world.callers.findIndex(
        ({ told, has }, at) => told === "nothing" && has === "waiting" && at !== world.current,
      );
      assume(index !== -1, "nobody to refuse");
      return withCaller(world, index, { has: "refused" });
    }
    case "ended":
      return { ...world, hasEnded: true };
    default:
      return world;
  }
}

function assumeDeliverable(world: World): void {
  assume(!world.isStandingStill, "an event to what stands still");
  assume(!world.isShuttingDown, "an event after shutdown began");
  assume(world.life.phase === "Invoking", "an event outside an invocation");
}

function killed(running: Running, process: number): Running {
  return running.process === process ? { ...running, isKilled: true } : running;
}

function give(world: World, from: CallerHas, to: CallerHas): World {
  assume(world.callers[world.current]?.has === from, `${to}, but the caller is not ${from}`);
  return withCaller(world, world.current, { has: to });
}

function tell(world: World, from: Told, to: Told): World {
  assume(world.callers[world.current]?.told === from, `${to} is told, but ${from} was not last`);
  return withCaller(world, world.current, { told: to });
}

function withCaller(world: World, index: number, change: Partial<World["callers"][number]>): World {
  return { ...world, callers: world.callers.map((caller, at) => (at === index ? { ...caller, ...change } : caller)) };
}

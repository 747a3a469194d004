/** A process that stands for a node: agents of many environments live in it, each with a supervisor and a runtime as processes. */
import { FleetEnvironment, type FleetEnvironmentOptions } from "./fleet-environment.ts";
import { monotonicMs } from "./run-record.ts";
import { JumpingClock } from "./jumping-clock.ts";

/** What a node is told. */
export type NodeOrder =
  | { readonly kind: "start"; readonly environment: Omit<FleetEnvironmentOptions, "routers" | "clock"> }
  | { readonly kind: "remove"; readonly podUid: string }
  | { readonly kind: "crash"; readonly podUid: string }
  /** Where all routers are, as a headless Service shows them. */
  | { readonly kind: "routers"; readonly addresses: readonly string[] }
  | { readonly kind: "clock"; readonly offsetMs: number };

/** What it says: `gone` is an environment that has ended by itself. */
export interface NodeNews {
  readonly kind: "ready" | "started" | "failed" | "gone" | "removed";
  readonly podUid: string;
  /** Of `gone`: when nothing of it ran any more, by the machine's monotonic clock. */
  readonly atMs?: number;
}

const environments = new Map<string, FleetEnvironment>();
const clock = new JumpingClock();
let routers: readonly string[] = [];

const say = (kind: NodeNews["kind"], podUid = "", atMs?: number): void =>
  void process.send?.({ kind, podUid, ...(atMs !== undefined && { atMs }) } satisfies NodeNews);

process.on("message", (order: NodeOrder) => {
  switch (order.kind) {
    case "routers":
      routers = order.addresses;
      return;
    case "clock":
      clock.jumpTo(order.offsetMs);
      return;
    case "crash":
      environments.get(order.podUid)?.crash();
      return;
    case "start":
      void start(order.environment);
      return;
    case "remove":
      void remove(order.podUid).finally(() => say("removed", order.podUid));
  }
});
// Without whoever made it a node has no reason to be.
process.on("disconnect", () => process.exit(0));
say("ready");

async function start(options: Extract<NodeOrder, { kind: "start" }>["environment"]): Promise<void> {
  const { podUid } = options;
  try {
    const environment = await FleetEnvironment.start({ ...options, routers: () => routers, clock });
    environments.set(podUid, environment);
    say("started", podUid);
    await environment.ended;
    const atMs = environment.killedAtMs ?? monotonicMs();
    if (environments.has(podUid)) await remove(podUid).finally(() => say("gone", podUid, atMs));
  } catch (error) {
    process.stderr.write(`Cannot start an environment: ${String(error)}\n`);
    say("failed", podUid);
  }
}

async function remove(podUid: string): Promise<void> {
  const environment = environments.get(podUid);
  environments.delete(podUid);
  await environment?.stop();
}

import { systemClock } from "../../../lib/clock.ts";
import { Applier } from "../../../lib/kubernetes/apply.ts";
import type { KubernetesClient } from "../../../lib/kubernetes/client.ts";
import { Controller } from "../../../lib/kubernetes/controller.ts";
import { watchOwn, watchOwned } from "../../../lib/kubernetes/controller-watch.ts";
import { EventRecorder } from "../../../lib/kubernetes/event-recorder.ts";
import { createKindTable, kinds, refOf } from "../../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../../lib/kubernetes/object-cache.ts";
import { controllerOf, ownedBy, type Stored } from "../../../lib/kubernetes/object.ts";
import { emptyPlan, type Plan } from "../../../lib/kubernetes/plan.ts";
import { silentLogger } from "../../../lib/logger.ts";
import { countWrites } from "./counting-client.ts";
import { type ConfigMap, configMap, type Widget, widgetKind } from "./objects.ts";

interface WidgetSeen {
  readonly object: Stored<Widget>;
  readonly children: readonly Stored<ConfigMap>[];
}

const finalizer = "test.example.com/children";

/** A small operator: a widget of size n has n ConfigMaps, made once, and removed by the operator itself. */
export class WidgetOperator {
  /** Reconciliations that have ended. */
  reconciled = 0;
  readonly #widgets: ObjectCache<Widget>;
  readonly #maps: ObjectCache<ConfigMap>;
  readonly #events: EventRecorder;
  readonly #controller: Controller<WidgetSeen, Widget["status"]>;
  readonly #counting: ReturnType<typeof countWrites>;

  constructor(options: { readonly client: KubernetesClient; readonly namespace: string }) {
    const { namespace } = options;
    this.#counting = countWrites(options.client);
    const { client } = this.#counting;
    const clock = systemClock;
    this.#widgets = new ObjectCache<Widget>({ client, kind: widgetKind, clock, namespace });
    this.#maps = new ObjectCache<ConfigMap>({
      client,
      kind: kinds.configMap,
      clock,
      namespace,
      indexes: { owner: (map) => [controllerOf(map)?.uid ?? ""] },
    });
    const names = { controller: "test.example.com/widgets", instance: "test" };
    this.#events = new EventRecorder({ client: options.client, clock, ...names });
    this.#controller = new Controller<WidgetSeen, Widget["status"]>(
      {
        name: "widget",
        kind: widgetKind,
        observe: (key) => Promise.resolve(this.#observe(key)),
        decide: decideWidget,
        watches: [watchOwn(this.#widgets), watchOwned(this.#maps, widgetKind)],
      },
      {
        client,
        kindOf: createKindTable([widgetKind]),
        applier: new Applier({ client, fieldManager: "test" }),
        events: this.#events,
        clock,
        logger: silentLogger,
        metrics: { reconciled: () => this.reconciled++, failed: () => undefined, queued: () => undefined },
      },
    );
  }

  /** Requests that change something. */
  get writes(): number {
    return this.#counting.writes.length;
  }

  async start(): Promise<void> {
    this.#widgets.start();
    this.#maps.start();
    await this.#controller.start(AbortSignal.timeout(20_000));
  }

  async stop(): Promise<void> {
    await this.#controller.stop(AbortSignal.timeout(5000));
    await Promise.all([this.#events.stop(AbortSignal.timeout(5000)), this.#widgets.stop(), this.#maps.stop()]);
  }

  #observe(key: string): WidgetSeen | undefined {
    const object = this.#widgets.get(key);
    return object && { object, children: this.#maps.byIndex("owner", object.metadata.uid) };
  }
}

function decideWidget({ object, children }: WidgetSeen): Plan<Widget["status"]> {
  const { namespace = "", name, deletionTimestamp } = object.metadata;
  const isEnding = deletionTimestamp !== undefined;
  const size = isEnding ? 0 : (object.spec?.size ?? 0);
  const wanted = Array.from({ length: size }, (_, i) => `${name}-${i}`);
  const present = new Set(children.map((child) => child.metadata.name));
  const meta = { labels: { widget: name }, ownerReferences: [ownedBy(object)] };
  const missing = wanted.filter((each) => !present.has(each));
  const surplus = children.filter((child) => !wanted.includes(child.metadata.name));
  const isDone = missing.length === 0 && surplus.length === 0;
  return {
    ...emptyPlan,
    create: missing.map((each) => configMap(namespace, each, {}, meta)),
    remove: surplus.map((child) => ({ ...refOf(kinds.configMap, child), uid: child.metadata.uid })),
    status: { ready: isDone, size: present.size },
    finalizers: isEnding ? { remove: isDone ? [finalizer] : [] } : { add: [finalizer] },
    outcome: isDone ? "done" : "waiting",
  };
}

/** A collector that keeps what it is sent: test/cluster/otlp as a process. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { buildGoProgram, otlp } from "../cluster/go-program.ts";

type Value = Readonly<Partial<Record<"stringValue" | "intValue", string>>> &
  Readonly<{ doubleValue?: number; boolValue?: boolean }>;
type Attributes = readonly { readonly key: string; readonly value: Value }[];

/** As protojson writes it, with ids in base64. */
interface Request {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: Attributes };
    readonly scopeSpans?: readonly { readonly spans?: readonly Sent[] }[];
  }[];
}
interface Sent {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: Attributes;
  readonly status?: { readonly code?: string; readonly message?: string };
}

export interface SeenSpan extends Pick<Sent, "name" | "kind" | "traceId" | "spanId" | "parentSpanId" | "status"> {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly resource: Readonly<Record<string, unknown>>;
}

export class OtlpReceiver {
  readonly spans: SeenSpan[] = [];
  #process: ChildProcess | undefined;
  #url = "";
  readonly #waiting = new Set<() => void>();

  /** Base URL. */
  get url(): string {
    return this.#url;
  }

  async start(): Promise<this> {
    const path = await buildGoProgram(otlp, (line) => void process.stderr.write(`${line}\n`));
    const child = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
    this.#process = child;
    const lines = createInterface({ input: child.stdout });
    const [address] = (await once(lines, "line")) as [string];
    this.#url = `http://${address}`;
    lines.on("line", (line) => {
      this.spans.push(...spansOf(JSON.parse(line) as Request));
      for (const look of this.#waiting) look();
    });
    return this;
  }

  /** Resolves with the spans as soon as there are so many that fit; the test's own limit ends a wait in vain. */
  async until(fits: (span: SeenSpan) => boolean, count: number): Promise<readonly SeenSpan[]> {
    const { promise, resolve } = Promise.withResolvers<readonly SeenSpan[]>();
    const look = (): void => {
      const found = this.spans.filter(fits);
      if (found.length >= count) resolve(found);
    };
    this.#waiting.add(look);
    look();
    const found = await promise;
    this.#waiting.delete(look);
    return found;
  }

  async stop(): Promise<void> {
    if (this.#process === undefined) return;
    const ended = once(this.#process, "exit");
    this.#process.stdin?.end();
    await ended;
  }
}

function spansOf({ resourceSpans = [] }: Request): SeenSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) =>
    scopeSpans.flatMap(({ spans = [] }) => spans.map((span) => toSeen(span, resource?.attributes))),
  );
}

function toSeen(sent: Sent, resource: Attributes = []): SeenSpan {
  const { name, kind, status, parentSpanId = "" } = sent;
  return {
    ...{ name, kind, traceId: hex(sent.traceId), spanId: hex(sent.spanId) },
    ...(parentSpanId !== "" && { parentSpanId: hex(parentSpanId) }),
    ...(status !== undefined && { status }),
    fromMs: Number(sent.startTimeUnixNano) / 1e6,
    untilMs: Number(sent.endTimeUnixNano) / 1e6,
    attributes: record(sent.attributes ?? []),
    resource: record(resource),
  };
}

function hex(base64: string): string {
  return Buffer.from(base64, "base64").toString("hex");
}

function record(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  );
}

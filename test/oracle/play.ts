/** Plays a script against one of the two and writes down what came of every step. */
import { describeStep, type Body, type Call, type Invocation, type Script, type Step } from "./script.ts";
import type { Actor, Pairs, Stage, Told } from "./stage.ts";
import { answerFields, Normaliser, type Fields, type Outcome } from "./transcript.ts";

export interface FrontDoorAnswer {
  readonly status: number;
  readonly body: string;
}

/** An execution environment whose bootstrap and extensions are the stage's processes. */
export interface World {
  readonly stage: Stage;
  invoke(invocation: Invocation): Promise<FrontDoorAnswer>;
  /** Makes the paths of this world those of Lambda. */
  readonly rename: (text: string) => string;
  end(): Promise<void>;
}

/** A step that has not come to its end by then is told as such. */
const stepLimitMs = 12_000;

/** Ids get their names in the order of the steps that tell them, not in that of their arrival. */
export async function play(script: Script, world: World): Promise<Outcome[]> {
  const player = new Player(world);
  const normaliser = new Normaliser(world.rename);
  const outcomes: Outcome[] = [];
  for (const step of script.steps) {
    const fields = normaliser.fields(await player.step(step));
    outcomes.push({ step: describeStep(step), fields });
  }
  return outcomes;
}

class Player {
  readonly #world: World;
  readonly #actors = new Map<string, Actor>();
  readonly #begun = new Map<string, Promise<Fields>>();
  /** Values of what stands in braces in calls. */
  readonly #values = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  async step(step: Step): Promise<Fields> {
    switch (step.do) {
      case "starts":
        return await this.#starts(step.role, step.nth, step.limitMs ?? stepLimitMs);
      case "invoke":
        this.#begin(step.name, this.#invoke(step.invocation));
        return {};
      case "call":
        return await inTime(this.#call(step.role, step.call));
      case "begin":
        this.#begin(step.name, this.#call(step.role, step.call));
        return {};
      case "finish":
        return await inTime(this.#begun.get(step.name) ?? Promise.reject(new Error(`nothing begun: ${step.name}`)));
      case "raw":
        return await inTime(this.#raw(step.role, step.text));
      case "exit":
        void this.#actor(step.role).order("exit", { status: step.status });
        return await inTime(this.#ended(step.role));
      case "kill":
        void this.#actor(step.role).order("kill", { signal: step.signal });
        return await inTime(this.#ended(step.role));
      case "ends":
        return await inTime(this.#ended(step.role));
      case "variables":
        return await inTime(this.#variables(step.role, step.names));
    }
  }

  async #starts(role: string, nth: number, limitMs: number): Promise<Fields> {
    try {
      this.#actors.set(role, await this.#world.stage.actor(role, nth, AbortSignal.timeout(limitMs)));
      return { started: "yes" };
    } catch {
      return { started: "no" };
    }
  }

  #begin(name: string, outcome: Promise<Fields>): void {
    this.#begun.set(name, outcome);
    outcome.catch(() => undefined); // a connection that the end of the world cuts
  }

  async #invoke(invocation: Invocation): Promise<Fields> {
    const { status, body } = await this.#world.invoke(invocation);
    return { status: String(status), body };
  }

  async #call(role: string, call: Call): Promise<Fields> {
    const { method, isChunked, trailers } = call;
    const told = await this.#actor(role).order("call", {
      method,
      isChunked,
      trailers,
      path: this.#filled(call.path),
      headers: (call.headers ?? []).map(([name, value]) => [name, this.#filled(value)]),
      body: bytesOf(call.body ?? "").toString("base64"),
    });
    return this.#told(role, told);
  }

  async #raw(role: string, text: string): Promise<Fields> {
    const body = Buffer.from(this.#filled(text)).toString("base64");
    const told = await this.#actor(role).order("raw", { body });
    if (told.error !== undefined) return { error: told.error };
    const [head = "", ...rest] = Buffer.from(told.body ?? "", "base64")
      .toString("latin1")
      .split("\r\n\r\n");
    const [line = "", ...headers] = head.split("\r\n");
    const pairs = headers.map((header) => header.split(/: (.*)/, 2) as [string, string]);
    return answerFields({ status: Number(line.split(" ")[1]), headers: pairs, body: rest.join() });
  }

  async #variables(role: string, names: readonly string[]): Promise<Fields> {
    const { variables = {} } = await this.#actor(role).order("variables");
    return Object.fromEntries(names.map((name) => [name, variables[name] ?? "absent"]));
  }

  async #ended(role: string): Promise<Fields> {
    await this.#actor(role).ended;
    return { ended: "yes" };
  }

  #told(role: string, { status, headers = [], body, error }: Told): Fields {
    if (status === undefined) return { error: error ?? "none" };
    this.#remember(role, headers);
    return answerFields({ status, headers, body: Buffer.from(body ?? "", "base64").toString("latin1") });
  }

  #remember(role: string, headers: Pairs): void {
    for (const [name, value] of headers) {
      if (name.toLowerCase() === "lambda-runtime-aws-request-id") this.#values.set("request", value);
      if (name.toLowerCase() === "lambda-extension-identifier") this.#values.set(`id ${role}`, value);
    }
  }

  #filled(text: string): string {
    return text.replaceAll(/\{(request|id [^}]+)\}/g, (whole, key: string) => this.#values.get(key) ?? whole);
  }

  #actor(role: string): Actor {
    const actor = this.#actors.get(role);
    if (actor === undefined) throw new Error(`Cannot play "${role}": the script has not waited for its start`);
    return actor;
  }
}

const errorFields = (error: unknown): Fields => ({ error: (error as NodeJS.ErrnoException).code ?? String(error) });

function bytesOf(body: Body): Buffer {
  return typeof body === "string" ? Buffer.from(body) : Buffer.alloc(body.bytes, "a");
}

async function inTime(outcome: Promise<Fields>): Promise<Fields> {
  const { promise, resolve } = Promise.withResolvers<Fields>();
  const timer = setTimeout(() => resolve({ answered: "not in time" }), stepLimitMs);
  try {
    return await Promise.race([outcome.catch(errorFields), promise]);
  } finally {
    clearTimeout(timer);
  }
}

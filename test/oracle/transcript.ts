/** What came of a script: per step its fields, with ids, times and paths made comparable. */
import { createHash } from "node:crypto";

/** Field (`status`, `body`, `header <name>`, …) → text. */
export type Fields = Readonly<Record<string, string>>;

export interface Outcome {
  readonly step: string;
  readonly fields: Fields;
}

export interface Difference {
  readonly script: string;
  readonly step: string;
  readonly field: string;
  readonly emulator: string;
  readonly agent: string;
}

const absent = "absent";
const mostCharacters = 2_000;
/** Of the connection and not of the answer. */
const connectionHeaders = new Set(["date", "connection", "keep-alive"]);

/** Names an event that nothing else refers to. */
const eventHeader = "header lambda-extension-event-identifier";

/** Makes the texts of one transcript comparable; one id has one name throughout. */
export class Normaliser {
  readonly #names = new Map<string, string>();
  readonly #rename: (text: string) => string;

  /** `rename` makes this world's paths and addresses those of Lambda. */
  constructor(rename: (text: string) => string) {
    this.#rename = rename;
  }

  fields(fields: Fields): Fields {
    const known = Object.entries(fields).map(([name, value]) => [
      name,
      name === eventHeader ? "<id>" : this.#text(value),
    ]);
    return Object.fromEntries(known) as Fields;
  }

  #text(value: string): string {
    if (value.length > mostCharacters) return summarize(value);
    return this.#rename(value)
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => this.#name(id))
      .replaceAll(/\b1[0-9]{12}\b/g, "<epoch ms>")
      .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>");
  }

  #name(id: string): string {
    const name = this.#names.get(id) ?? `<id ${this.#names.size + 1}>`;
    this.#names.set(id, name);
    return name;
  }
}

export function answerFields(answer: {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** One character a byte. */
  readonly body: string;
}): Fields {
  const headers = answer.headers.map(([name, value]) => [name.toLowerCase(), value] as const);
  const kept = headers.filter(([name]) => !connectionHeaders.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    status: String(answer.status),
    ...Object.fromEntries(kept.map(([name, value]) => [`header ${name}`, value])),
    ...(lengthOf(kept) === answer.body.length && { "header content-length": "of the body" }),
    body: answer.body,
  };
}

function lengthOf(headers: readonly (readonly [string, string])[]): number | undefined {
  const value = headers.find(([name]) => name === "content-length")?.[1];
  return value === undefined ? undefined : Number(value);
}

export function compare(script: string, emulator: readonly Outcome[], agent: readonly Outcome[]): Difference[] {
  return emulator.flatMap(({ step, fields }, index) => {
    const theirs = fields;
    const ours = agent[index]?.fields ?? {};
    const names = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
    return names
      .map((field) => ({
        script,
        step,
        field,
        emulator: theirs[field] ?? absent,
        agent: ours[field] ?? absent,
      }))
      .filter((difference) => difference.emulator !== difference.agent);
  });
}

function summarize(value: string): string {
  return `${value.length} characters, sha256 ${createHash("sha256").update(value).digest("hex").slice(0, 16)}`;
}

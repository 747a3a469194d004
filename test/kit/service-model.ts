/** The Lambda API as botocore describes it, and values of its shapes: what the AWS CLI could print. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { toolsDir } from "../cluster/tools.ts";

interface Shape {
  readonly type: string;
  readonly members?: Readonly<Record<string, { readonly shape: string }>>;
  readonly member?: { readonly shape: string };
  readonly key?: { readonly shape: string };
  readonly value?: { readonly shape: string };
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly min?: number;
  readonly max?: number;
}

/** Members around everything else that is said. */
const wrappers = ["Configuration", "LatestMatchingVersion", "Content"];

/** call prepareTools() first. */
export class ServiceModel {
  readonly #shapes: Readonly<Record<string, Shape>>;
  readonly #operations: Readonly<Record<string, { readonly output?: { readonly shape: string } }>>;

  constructor() {
    const file = join(toolsDir(), "awscli/awscli/botocore/data/lambda/2015-03-31/service-2.json");
    const model = JSON.parse(readFileSync(file, "utf8")) as { shapes: never; operations: never };
    this.#shapes = model.shapes;
    this.#operations = model.operations;
  }

  /** An output of this operation, e.g. `GetFunction`. `needed`: members that are always there. */
  output(operation: string, needed: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<unknown> {
    const { output } = this.#operations[operation] ?? {};
    if (output === undefined) throw new RangeError(`the API has no operation "${operation}" with an output`);
    const { members = {} } = this.#shapes[output.shape] ?? {};
    const lists = Object.entries(members).filter(([, { shape }]) => this.#shapes[shape]?.type === "list");
    const always = lists.map(([name, { shape }]) => [name, this.#value(shape, needed)] as const);
    return this.#value(output.shape, { ...Object.fromEntries(always), ...needed });
  }

  #value(name: string, needed: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
    const shape = this.#shapes[name];
    if (shape === undefined) throw new RangeError(`the API has no shape "${name}"`);
    const { type, member, value, min = 0 } = shape;
    switch (type) {
      case "structure":
        return this.#structure(shape, needed);
      case "list":
        return fc.array(this.#value(member?.shape ?? "", needed), {
          minLength: min,
          maxLength: Math.max(min, Math.min(shape.max ?? 3, 3)),
        });
      case "map":
        return fc.dictionary(
          this.#value(shape.key?.shape ?? "", {}).map(String),
          this.#value(value?.shape ?? "", needed),
          {
            maxKeys: 3,
          },
        );
      case "string":
        return text(shape);
      case "boolean":
        return fc.boolean();
      case "integer":
      case "long":
        return fc.integer({ min, max: shape.max ?? 1_000_000 });
      case "double":
        return fc.double({ min, max: shape.max ?? 1, noNaN: true });
      case "timestamp":
        return fc
          .date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true })
          .map((date) => date.toISOString());
      default:
        throw new RangeError(`shape "${name}" has the type "${type}"`);
    }
  }

  #structure({ members = {} }: Shape, needed: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<unknown> {
    const arbitraries = Object.fromEntries(
      Object.entries(members).map(
        ([name, member]) => [name, needed[name] ?? this.#value(member.shape, needed)] as const,
      ),
    );
    const always = [...Object.keys(needed), ...wrappers].filter((name) => name in members);
    // Of every size: what is set at once is often more than any real resource has.
    const optional = fc.subarray(Object.keys(members).filter((name) => !always.includes(name)));
    return optional.chain((names) =>
      fc.record(
        Object.fromEntries([...always, ...names].map((name) => [name, arbitraries[name] ?? fc.constant(null)])),
      ),
    );
  }
}

/** Where the pattern is beyond fast-check (look-around), any text. */
function text({ enum: values, pattern, min = 0, max = 64 }: Shape): fc.Arbitrary<string> {
  if (values !== undefined) return fc.constantFrom(...values);
  const maxLength = Math.max(min, Math.min(max, 64));
  const any = fc.string({ minLength: min, maxLength });
  try {
    return pattern === undefined ? any : fc.stringMatching(new RegExp(`^(?:${pattern})$`), { size: "small" });
  } catch {
    return any;
  }
}

/** CloudFormation's functions in a template → values, as far as they can be known without AWS. Pure. */
import type { Draft } from "./found.ts";
import { objectOf } from "./object-of.ts";
import { own } from "./own.ts";
import { wordOf } from "./word-of.ts";

/** What cannot be known: as the template has it, and which `--parameter` would give it. */
export class Unresolved {
  readonly text: string;
  readonly parameters: readonly string[];
  constructor(text: string, parameters: readonly string[]) {
    this.text = text;
    this.parameters = parameters;
  }
}

export interface TemplateScope {
  readonly parameters: ReadonlyMap<string, string>;
  /** Default values of the template's parameters. */
  readonly defaults: Draft;
  readonly mappings: Draft;
  readonly conditions: Draft;
  /** What `Ref` of a resource (`Name`) or one of its attributes (`Name.Arn`) stands for here. */
  readonly references: ReadonlyMap<string, string>;
}

/** `AWS::NoValue`: the member goes. */
const noValue = Symbol("AWS::NoValue");

const pseudoParameters: Readonly<Record<string, string>> = {
  "AWS::Partition": "aws",
  "AWS::URLSuffix": "amazonaws.com",
};
const deepest = 100;

export function resolve(value: unknown, scope: TemplateScope): unknown {
  const resolved = new Resolver(scope).value(value, 0);
  return resolved === noValue ? undefined : resolved;
}

/** Whether the condition of this name holds; one that cannot be known holds. */
export function holds(name: string, scope: TemplateScope): boolean {
  return new Resolver(scope).condition({ Condition: name }, 0) !== false;
}

class Resolver {
  readonly #scope: TemplateScope;

  constructor(scope: TemplateScope) {
    this.#scope = scope;
  }

  value(value: unknown, depth: number): unknown {
    if (depth > deepest) throw new RangeError(`the template is nested deeper than ${deepest}`);
    if (Array.isArray(value)) {
      return value.map((item: unknown) => this.value(item, depth + 1)).filter((item) => item !== noValue);
    }
    if (typeof value !== "object" || value === null) return value;
    const [entry, another] = Object.entries(value);
    if (entry !== undefined && another === undefined && (entry[0] === "Ref" || entry[0].startsWith("Fn::"))) {
      return this.#call(entry[0], entry[1], depth + 1);
    }
    const members = Object.entries(value).map(([name, member]) => [name, this.value(member, depth + 1)] as const);
    return Object.fromEntries(members.filter(([, member]) => member !== noValue));
  }

  #call(name: string, argument: unknown, depth: number): unknown {
    switch (name) {
      case "Ref":
        return this.#ref(wordOf(argument));
      case "Fn::GetAtt":
        return this.#attribute((Array.isArray(argument) ? argument.map(wordOf) : [wordOf(argument)]).join("."));
      case "Fn::Sub":
        return this.#sub(argument, depth);
      case "Fn::Join":
        return this.#join(argument, depth);
      case "Fn::If":
        return this.#if(argument, depth);
      case "Fn::FindInMap":
        return this.#findInMap(argument, depth);
      case "Fn::Select":
        return this.#select(argument, depth);
      case "Fn::Split":
        return this.#split(argument, depth);
      case "Fn::Base64": {
        const text = this.value(argument, depth);
        return typeof text === "string" ? Buffer.from(text).toString("base64") : text;
      }
      default:
        return new Unresolved(textOf(name, argument), []);
    }
  }

  #ref(name: string): unknown {
    if (name === "AWS::NoValue") return noValue;
    const given = this.#scope.parameters.get(name) ?? own(this.#scope.defaults, name);
    return (
      given ?? this.#scope.references.get(name) ?? own(pseudoParameters, name) ?? new Unresolved(`!Ref ${name}`, [name])
    );
  }

  #attribute(path: string): unknown {
    const { parameters, references } = this.#scope;
    return parameters.get(path) ?? references.get(path) ?? new Unresolved(`!GetAtt ${path}`, [path]);
  }

  #sub(argument: unknown, depth: number): unknown {
    const [template, given] = (Array.isArray(argument) ? argument : [argument]) as readonly unknown[];
    if (typeof template !== "string") return new Unresolved(textOf("Fn::Sub", argument), []);
    const missing: string[] = [];
    const text = template.replace(/\$\{([^}!][^}]*)\}/g, (whole, name: string) => {
      const value = this.#variable(name.trim(), objectOf(given), depth);
      if (value instanceof Unresolved) missing.push(...value.parameters);
      return value instanceof Unresolved || value === noValue ? whole : wordOf(value);
    });
    if (missing.length > 0) return new Unresolved(`!Sub ${template}`, [...new Set(missing)]);
    return text.replace(/\$\{!([^}]*)\}/g, "$${$1}");
  }

  #variable(name: string, given: Draft, depth: number): unknown {
    if (Object.hasOwn(given, name)) return this.value(given[name], depth);
    return name.includes(".") ? this.#attribute(name) : this.#ref(name);
  }

  #join(argument: unknown, depth: number): unknown {
    const [separator, list] = (Array.isArray(argument) ? argument : []) as [unknown, unknown];
    const items = this.value(list, depth);
    if (!Array.isArray(items)) return firstUnresolved([items]) ?? new Unresolved(textOf("Fn::Join", argument), []);
    return firstUnresolved(items) ?? items.map(wordOf).join(wordOf(separator));
  }

  #split(argument: unknown, depth: number): unknown {
    const [separator, text] = (Array.isArray(argument) ? argument : []) as [unknown, unknown];
    const value = this.value(text, depth);
    return typeof value === "string" ? value.split(wordOf(separator)) : value;
  }

  #select(argument: unknown, depth: number): unknown {
    const [index, list] = (Array.isArray(argument) ? argument : []) as [unknown, unknown];
    const items = this.value(list, depth);
    if (!Array.isArray(items)) return firstUnresolved([items]) ?? new Unresolved(textOf("Fn::Select", argument), []);
    return (items as readonly unknown[])[Number(this.value(index, depth))];
  }

  #findInMap(argument: unknown, depth: number): unknown {
    const path = this.value(argument, depth);
    if (!Array.isArray(path)) return path;
    const found = path.slice(0, 3).reduce<unknown>((at, key) => own(objectOf(at), wordOf(key)), this.#scope.mappings);
    return firstUnresolved(path) ?? found ?? new Unresolved(textOf("Fn::FindInMap", argument), []);
  }

  #if(argument: unknown, depth: number): unknown {
    const [name, then, otherwise] = (Array.isArray(argument) ? argument : []) as [unknown, unknown, unknown];
    const isTrue = this.condition({ Condition: name }, depth);
    if (isTrue instanceof Unresolved) return isTrue;
    return this.value(isTrue ? then : otherwise, depth);
  }

  condition(condition: unknown, depth: number): boolean | Unresolved {
    if (depth > deepest) throw new RangeError("the template's conditions name each other");
    const [name, argument] = Object.entries(objectOf(condition))[0] ?? ["", undefined];
    const list = (Array.isArray(argument) ? argument : []) as readonly unknown[];
    switch (name) {
      case "Condition":
        return this.condition(own(this.#scope.conditions, wordOf(argument)), depth + 1);
      case "Fn::Equals": {
        const sides = list.map((side) => this.value(side, depth + 1));
        return firstUnresolved(sides) ?? wordOf(sides[0]) === wordOf(sides[1]);
      }
      case "Fn::Not": {
        const inner = this.condition(list[0], depth + 1);
        return inner instanceof Unresolved ? inner : !inner;
      }
      case "Fn::And":
      case "Fn::Or": {
        const inner = list.map((each) => this.condition(each, depth + 1));
        const deciding = name === "Fn::Or";
        if (inner.includes(deciding)) return deciding;
        return firstUnresolved(inner) ?? !deciding;
      }
      default:
        return new Unresolved(textOf(name, argument), []);
    }
  }
}

/** The value without what cannot be known, and a sentence for each such member. */
export function knownPart(value: unknown, path = ""): { readonly value: unknown; readonly unknown: readonly string[] } {
  if (value instanceof Unresolved) return { value: undefined, unknown: [unknownText(path, value)] };
  if (typeof value !== "object" || value === null) return { value, unknown: [] };
  const isList = Array.isArray(value);
  const parts = Object.entries(value).map(([name, member]) => {
    const at = isList ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`;
    return [name, knownPart(member, at)] as const;
  });
  const known = parts.filter(([, part]) => part.value !== undefined);
  const unknown = parts.flatMap(([, part]) => part.unknown);
  return {
    value: isList
      ? known.map(([, part]) => part.value)
      : Object.fromEntries(known.map(([name, part]) => [name, part.value])),
    unknown,
  };
}

export function unknownText(path: string, { text, parameters }: Unresolved): string {
  const flags = parameters.map((name) => `--parameter '${name}=…'`).join(" ");
  return `TODO ${path}: ${text} is not known here: ${flags === "" ? "set it" : `set it, or import with ${flags}`}`;
}

function firstUnresolved(values: readonly unknown[]): Unresolved | undefined {
  return values.find((value) => value instanceof Unresolved);
}

function textOf(name: string, argument: unknown): string {
  return `!${name.replace("Fn::", "")} ${JSON.stringify(argument)}`;
}

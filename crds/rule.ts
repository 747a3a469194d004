/** A cross-field rule in both its forms, side by side: CEL for the API server, a predicate for where no CEL is. */
import { z } from "zod";

export interface Rule<T> {
  /** True when the object is good; `self` is the value, `oldSelf` what it was (then it holds for updates only). */
  readonly cel: string;
  /** The same; absent for rules about `oldSelf`. */
  readonly predicate?: (value: T) => boolean;
  /** The same for rules about `oldSelf`. */
  readonly transition?: (value: T, old: T) => boolean;
  /** What would be right. No full stop. */
  readonly message: string;
}

const transitions = z.registry<{ readonly rules: readonly Rule<unknown>[] }>();

export function rule<T>(cel: string, predicate: (value: T) => boolean, message: string): Rule<T> {
  return { cel, predicate, message };
}

/** A field that never changes once the object is there, and is neither added nor taken away later. */
export function immutable(field: string): Rule<unknown> {
  return {
    cel: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    transition: (value, old) => JSON.stringify(member(value, field)) === JSON.stringify(member(old, field)),
    message: `${field} is immutable: delete the object and make it again`,
  };
}

/** The schema with its rules, for both sides. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  const ruled = schema
    .superRefine((value, context) => {
      for (const { predicate, message } of rules) {
        if (predicate !== undefined && !predicate(value)) context.addIssue({ code: "custom", message });
      }
    })
    .meta({ "x-kubernetes-validations": asValidations(rules) });
  transitions.add(ruled, { rules: rules as readonly Rule<unknown>[] });
  return ruled;
}

/** Messages of the schema's own rules that this change from `old` to `value` breaks. */
export function brokenTransitions<S extends z.ZodType>(schema: S, value: z.output<S>, old: z.output<S>): string[] {
  const rules = transitions.get(schema)?.rules ?? [];
  return rules.filter(({ transition }) => transition?.(value, old) === false).map(({ message }) => message);
}

/** As a CustomResourceDefinition has them. */
export function asValidations(
  rules: readonly Pick<Rule<unknown>, "cel" | "message">[],
): readonly { rule: string; message: string }[] {
  return rules.map(({ cel, message }) => ({ rule: cel, message }));
}

function member(value: unknown, field: string): unknown {
  return (value as Readonly<Record<string, unknown>>)[field];
}

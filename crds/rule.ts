/** A cross-field rule in both its forms, side by side: CEL for the API server, a predicate for where no CEL is. */
import type { z } from "zod";

export interface Rule<T> {
  /** True when the object is good; `self` is the value, `oldSelf` what it was (then it holds for updates only). */
  readonly cel: string;
  /** The same; absent for rules about `oldSelf`. */
  readonly predicate?: (value: T) => boolean;
  /** What would be right. No full stop. */
  readonly message: string;
}

export function rule<T>(cel: string, predicate: (value: T) => boolean, message: string): Rule<T> {
  return { cel, predicate, message };
}

/** A field that never changes once it is set, and is neither added nor taken away later. */
export function immutable(field: string): Rule<unknown> {
  return {
    cel: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} is immutable: delete the object and make it again`,
  };
}

/** The schema with its rules, for both sides. */
export function withRules<S extends z.ZodType>(schema: S, rules: readonly Rule<z.output<S>>[]): S {
  return schema
    .superRefine((value, context) => {
      for (const { predicate, message } of rules) {
        if (predicate !== undefined && !predicate(value)) context.addIssue({ code: "custom", message });
      }
    })
    .meta({ "x-kubernetes-validations": rules.map(({ cel, message }) => ({ rule: cel, message })) });
}

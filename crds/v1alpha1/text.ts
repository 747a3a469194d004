import { z } from "zod";

/** Text of `min` to `max` characters, counted as Kubernetes counts them (code points): zod's own bound counts UTF-16 units. */
export function text(max: number, min = 0): z.ZodString {
  return z
    .string()
    .superRefine((value, context) => {
      if (isLonger(value, max))
        context.addIssue({ code: "too_big", origin: "string", maximum: max, inclusive: true, input: value });
      if (value.length < min)
        context.addIssue({ code: "too_small", origin: "string", minimum: min, inclusive: true, input: value });
    })
    .meta({ ...(min > 0 && { minLength: min }), maxLength: max });
}

/** RFC 3339, as Kubernetes takes it. */
export function dateTime(): z.ZodString {
  return z
    .string()
    .superRefine((value, context) => {
      const isDateTime = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.]\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(value);
      if (!isDateTime || Number.isNaN(Date.parse(value)))
        context.addIssue({ code: "invalid_format", format: "date-time", input: value });
    })
    .meta({ format: "date-time" });
}

/** Whether the text has more than `max` code points; counts only where the UTF-16 length leaves it open. */
export function isLonger(value: string, max: number): boolean {
  if (value.length <= max) return false;
  if (value.length > 2 * max) return true;
  return lengthOf(value) > max;
}

/** In code points. */
export function lengthOf(value: string): number {
  let length = 0;
  for (const _character of value) length++;
  return length;
}

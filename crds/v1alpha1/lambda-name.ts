import { z } from "zod";
import { rule, type Rule } from "../rule.ts";
import { ackReferenceSchema, type AckReference } from "./reference.ts";

/** A Lambda name: what object names do not allow (upper case, `_`) is allowed. Source: Lambda API reference, FunctionName. */
export const lambdaNameSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-zA-Z0-9\-_]+$/);

/** An alias' name; that it is no number is a rule. Source: Lambda API reference, CreateAlias. */
export const aliasNameSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[a-zA-Z0-9\-_]+$/);

/** Which function a Version or an Alias is of: by Lambda name or ARN, or, as ACK has it, by object. */
export const functionReferenceShape = {
  functionName: z
    .string()
    .min(1)
    .max(140)
    .regex(/^((arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:)?[0-9]{12}:function:)?[a-zA-Z0-9\-_]+$/)
    .optional()
    .describe("Lambda name of the function, or its ARN"),
  functionRef: ackReferenceSchema.optional().describe("The Function object, in place of functionName"),
};

export const functionReferenceRules: readonly Rule<{
  functionName?: string | undefined;
  functionRef?: AckReference | undefined;
}>[] = [
  rule(
    "has(self.functionName) != has(self.functionRef)",
    ({ functionName, functionRef }) => (functionName === undefined) !== (functionRef === undefined),
    "exactly one of functionName and functionRef is needed",
  ),
  rule(
    "!has(self.functionRef) || (has(self.functionRef.from) && has(self.functionRef.from.name) && !has(self.functionRef.from.namespace))",
    ({ functionRef }) =>
      functionRef === undefined || (functionRef.from?.name !== undefined && functionRef.from.namespace === undefined),
    "functionRef needs from.name, a Function of this namespace",
  ),
];

/** An object whose `spec.name` is missing has its object name as Lambda name: then that has to be one. */
export function objectNameRule(
  pattern: RegExp,
  message: string,
): Rule<{ metadata: { name: string }; spec: { name?: string | undefined } }> {
  return {
    cel: `has(self.spec.name) || self.metadata.name.matches('${pattern.source}')`,
    predicate: ({ metadata, spec }) => spec.name !== undefined || pattern.test(metadata.name),
    message,
  };
}

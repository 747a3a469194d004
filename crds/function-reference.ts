/** Which function a Version or an Alias is of. Pure. */
import { accountIdOf } from "./names.ts";
import type { AckReference } from "./v1alpha1/reference.ts";

/** The part of a spec that names a function. */
export interface FunctionReferenceSpec {
  readonly functionName?: string | undefined;
  readonly functionRef?: AckReference | undefined;
}

const pattern = /^(?:(?:arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):)?([0-9]{12}):function:)?([a-zA-Z0-9\-_]+)$/;

/** Under this key objects that name a function are found: by its Lambda name, or by its object. */
export function functionReferenceKey(namespace: string, { functionName, functionRef }: FunctionReferenceSpec): string {
  if (functionRef?.from?.name !== undefined) return `${namespace}/object/${functionRef.from.name}`;
  return `${namespace}/name/${pattern.exec(functionName ?? "")?.[3] ?? ""}`;
}

/** All keys under which what names this function is found. */
export function functionReferenceKeys(
  namespace: string,
  { objectName, name }: { readonly objectName: string; readonly name: string },
): readonly string[] {
  return [`${namespace}/name/${name}`, `${namespace}/object/${objectName}`];
}

/** False for the ARN of a function of another account or region: a Version or Alias is of its own namespace. */
export function isOwnFunction(
  { functionName = "" }: FunctionReferenceSpec,
  own: { readonly namespace: string; readonly region: string },
): boolean {
  const [, region = own.region, accountId = accountIdOf(own.namespace)] = pattern.exec(functionName) ?? [];
  return region === own.region && accountId === accountIdOf(own.namespace);
}

/** Lambda name that the reference gives; undefined where it names an object. */
export function referencedName({ functionName }: FunctionReferenceSpec): string | undefined {
  return functionName === undefined ? undefined : pattern.exec(functionName)?.[3];
}

/** Under which keys a function's Versions, Aliases and snapshots are found. Pure. */
import {
  functionReferenceKey,
  functionReferenceKeys,
  isOwnFunction,
  type FunctionReferenceSpec,
} from "../../../crds/function-reference.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { KubernetesObject, Stored } from "../../../lib/kubernetes/object.ts";
import { oldestOf } from "../../name-holder.ts";
import { lambdaName } from "../function/revision.ts";

/** By Lambda name. */
export function functionKeyOf(namespace = "", functionName: string): string {
  return `${namespace}/${functionName}`;
}

/** A Version or an Alias. */
export interface FunctionPart extends KubernetesObject {
  readonly spec: FunctionReferenceSpec;
}

/** An index' value for what names a function. */
export function partKeys({ metadata, spec }: FunctionPart): readonly string[] {
  return [functionReferenceKey(metadata.namespace ?? "", spec)];
}

interface Indexed<T extends KubernetesObject> {
  byIndex(index: string, value: string): Stored<T>[];
}

/** Every Version or Alias that names this function, by its name or its object. */
export function partsOf<T extends FunctionPart>(
  parts: Indexed<T>,
  namespace: string,
  region: string,
  named: { readonly objectName: string; readonly name: string },
): readonly Stored<T>[] {
  return functionReferenceKeys(namespace, named)
    .flatMap((key) => parts.byIndex("function", key))
    .filter(({ spec }) => isOwnFunction(spec, { namespace, region }));
}

/** The Function that a Version or Alias names, if it is there. */
export function functionOf(
  functions: Indexed<FunctionObject> & { getBy(namespace: string, name: string): Stored<FunctionObject> | undefined },
  { metadata, spec }: FunctionPart,
): Stored<FunctionObject> | undefined {
  const { namespace = "" } = metadata;
  const object = spec.functionRef?.from?.name;
  if (object !== undefined) return functions.getBy(namespace, object);
  const [, , name = ""] = functionReferenceKey(namespace, spec).split("/");
  return oldestOf(functions.byIndex("name", functionKeyOf(namespace, name)));
}

export function namesOf(object: FunctionObject): { readonly objectName: string; readonly name: string } {
  return { objectName: object.metadata.name, name: lambdaName(object) };
}

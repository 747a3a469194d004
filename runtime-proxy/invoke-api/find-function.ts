import { accountIdOf, LATEST } from "../../crds/names.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { FunctionDirectory, FunctionFacts } from "../domain/function-facts.ts";
import { namespaceOfHost, parseTarget, targetArn, type NamespaceRules, type TargetCheck } from "../domain/routing.ts";
import { InvokeError } from "./errors.ts";

export interface FindFunctionOptions extends NamespaceRules {
  readonly region: string;
  readonly functions: FunctionDirectory;
}

/** The function that a request means, and the ARN by which the caller named it. */
export interface FoundFunction {
  readonly facts: FunctionFacts;
  /** Unqualified when the caller gave no qualifier. */
  readonly invokedArn: string;
}

const mostRemembered = 10_000;

/** Finds the function of a request: pattern, then region and account, then function, then qualifier. Remembers parsed names. */
export function createFindFunction(
  options: FindFunctionOptions,
): (encodedName: string, request: HttpRequest) => FoundFunction {
  const { region, functions } = options;
  const remembered = new Map<string, TargetCheck>();
  const accountIds = new Map<string, string>();

  function parse(encodedName: string, qualifier: string | undefined): TargetCheck {
    const key = qualifier === undefined ? encodedName : `${encodedName}?${qualifier}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const parsed = parseTarget(encodedName, qualifier);
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(key, parsed);
    return parsed;
  }

  function accountOf(namespace: string): string {
    const known = accountIds.get(namespace);
    if (known !== undefined) return known;
    const accountId = accountIdOf(namespace);
    if (accountIds.size >= mostRemembered) accountIds.clear();
    accountIds.set(namespace, accountId);
    return accountId;
  }

  return (encodedName, request) => {
    const parsed = parse(encodedName, request.query.get("Qualifier") ?? undefined);
    if (!parsed.ok) throw new InvokeError(parsed.code, parsed.message);
    const { target } = parsed;
    if (target.region !== undefined && target.region !== region) {
      const message = `Functions from '${target.region}' are not reachable in this region ('${region}')`;
      throw new InvokeError("ResourceNotFoundException", message);
    }
    const namespace =
      target.accountId === undefined
        ? namespaceOfHost(request.headers["host"], options)
        : functions.namespaceOf(target.accountId);
    const facts = namespace === undefined ? undefined : functions.find(namespace, target.name);
    const isLatest = target.qualifier === undefined || target.qualifier === LATEST;
    if (facts === undefined && !functions.isCurrent()) {
      // Lambda's clients try this again; a 404 they would believe.
      throw new InvokeError("ServiceException", `Cannot find "${target.name}": the list of functions is being renewed`);
    }
    if (facts === undefined || !isLatest) {
      const accountId = target.accountId ?? accountOf(namespace ?? options.defaultNamespace);
      const message = `Function not found: ${targetArn(target, region, accountId)}`;
      throw new InvokeError("ResourceNotFoundException", message);
    }
    return { facts, invokedArn: target.qualifier === undefined ? facts.arn : `${facts.arn}:${LATEST}` };
  };
}

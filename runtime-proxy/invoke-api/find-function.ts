import { accountIdOf, functionArn, LATEST } from "../../crds/names.ts";
import { drawVersion } from "../domain/draw-version.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { FunctionDirectory, FunctionFacts } from "../domain/function-facts.ts";
import type { Caller } from "../access/caller.ts";
import {
  namespaceOfHost,
  parseTarget,
  targetArn,
  type CallTarget,
  type NamespaceRules,
  type TargetCheck,
} from "../domain/routing.ts";
import { InvokeError } from "./errors.ts";

export interface FindFunctionOptions extends NamespaceRules {
  readonly region: string;
  readonly functions: FunctionDirectory;
  /** A number in [0, 1), for each call by itself. */
  readonly draw: () => number;
}

/** The function, and of it the version, that a request means, and the ARN by which the caller named it. */
export interface FoundFunction {
  readonly facts: FunctionFacts;
  /** Unqualified when the caller gave no qualifier. */
  readonly invokedArn: string;
}

/** Only digits are a version, anything else is an alias: no alias' name is a number. */
export function findQualified(
  { functions, draw }: Pick<FindFunctionOptions, "functions" | "draw">,
  latest: FunctionFacts,
  qualifier = LATEST,
): FunctionFacts | undefined {
  if (qualifier === LATEST) return latest;
  if (/^[0-9]+$/.test(qualifier)) return functions.findVersion(latest.uid, qualifier);
  const route = functions.findAlias(latest.uid, qualifier);
  return route === undefined ? undefined : functions.findVersion(latest.uid, drawVersion(route, draw()));
}

/** Where a request points, whether or not there is a function. */
export interface LocatedFunction {
  readonly target: CallTarget;
  /** Of an account id that has no functions no namespace is known. */
  readonly place: { readonly namespace?: string };
  readonly accountId: string;
  /** As the caller named it: unqualified when there was no qualifier. */
  readonly arn: string;
  /** By which permissions name the function: its object's name where it is there, else the caller's. */
  objectName(): string;
}

/** Finds the function of a request: pattern, then region and account, then function, then qualifier. Each throws an InvokeError. */
export interface FunctionFinder {
  /** The namespace is the ARN's account's, else the caller's own, else the host's, else the default. */
  locate(encodedName: string, request: HttpRequest, caller: Pick<Caller, "namespace">): LocatedFunction;
  find(located: LocatedFunction): FoundFunction;
}

const mostRemembered = 10_000;
/** Of a name and qualifier as they were sent: the longest that there may be, with every third character escaped. */
const longestRemembered = 1024;

/** Remembers parsed names. */
export function createFindFunction(options: FindFunctionOptions): FunctionFinder {
  const { region, functions } = options;
  const remembered = new Map<string, Extract<TargetCheck, { ok: true }>>();
  const accountIds = new Map<string, string>();

  function parse(encodedName: string, qualifier: string | undefined): TargetCheck {
    const key = qualifier === undefined ? encodedName : `${encodedName}?${qualifier}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const parsed = parseTarget(encodedName, qualifier);
    if (!parsed.ok || key.length > longestRemembered) return parsed;
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

  function namespaceOfAccount(accountId: string): string | undefined {
    const [namespace, ...others] = functions.namespacesOf(accountId);
    if (others.length === 0) return namespace;
    // Whichever were taken, the call could be meant for the other.
    const message = `Cannot tell whose function is meant: more than one namespace here has the account id '${accountId}'; call the function by its name`;
    throw new InvokeError("InvalidParameterValueException", message);
  }

  function locate(encodedName: string, request: HttpRequest, caller: Pick<Caller, "namespace">): LocatedFunction {
    const parsed = parse(encodedName, request.query.get("Qualifier") ?? undefined);
    if (!parsed.ok) throw new InvokeError(parsed.code, parsed.message);
    const { target } = parsed;
    if (target.region !== undefined && target.region !== region) {
      const message = `Functions from '${target.region}' are not reachable in this region ('${region}')`;
      throw new InvokeError("ResourceNotFoundException", message);
    }
    const namespace =
      target.accountId === undefined
        ? (caller.namespace ?? namespaceOfHost(request.headers["host"], options))
        : namespaceOfAccount(target.accountId);
    const accountId = target.accountId ?? accountOf(namespace ?? options.defaultNamespace);
    return {
      target,
      place: namespace === undefined ? {} : { namespace },
      accountId,
      arn: functionArn({ region, accountId, name: target.name, qualifier: target.qualifier }),
      objectName: () =>
        (namespace === undefined ? undefined : functions.find(namespace, target.name))?.objectName ?? target.name,
    };
  }

  function find({ target, place: { namespace }, accountId }: LocatedFunction): FoundFunction {
    const latest = namespace === undefined ? undefined : functions.find(namespace, target.name);
    const facts = latest === undefined ? undefined : findQualified(options, latest, target.qualifier);
    if (facts === undefined && !functions.isCurrent()) {
      // Lambda's clients try this again; a 404 they would believe.
      throw new InvokeError("ServiceException", `Cannot find "${target.name}": the list of functions is being renewed`);
    }
    if (facts === undefined) {
      const message = `Function not found: ${targetArn(target, region, accountId)}`;
      throw new InvokeError("ResourceNotFoundException", message);
    }
    return { facts, invokedArn: target.qualifier === undefined ? facts.arn : `${facts.arn}:${target.qualifier}` };
  }

  return { locate, find };
}

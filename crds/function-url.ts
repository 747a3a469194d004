/** Function URLs: ids and addresses, as the operator writes them and the router reads them. Pure. */

/** What a function URL belongs to. */
export interface FunctionUrlOwner {
  readonly namespace: string;
  /** Lambda name. */
  readonly functionName: string;
  /** Absent: `$LATEST`. */
  readonly aliasName?: string;
}

/** Prefix of paths that name a function URL, for clusters without wildcard DNS. */
export const FUNCTION_URL_PATH = "/lambda-url/";
/** Stands for the id in the installation's pattern of URLs. */
export const FUNCTION_URL_ID = "{id}";

const idLength = 32;
const idPattern = /^[0-9a-z]{32}$/;

/** What the installation's key is applied to: the same names always have the same id, whatever their objects' uids. */
export function functionUrlSeed({ namespace, functionName, aliasName }: FunctionUrlOwner): string {
  return JSON.stringify([namespace, functionName, ...(aliasName === undefined ? [] : [aliasName])]);
}

/** 32 characters 0-9 a-z out of a MAC of 32 bytes, in hex. */
export function functionUrlId(macHex: string): string {
  const digits = BigInt(`0x${macHex}`).toString(36).padStart(idLength, "0");
  return digits.slice(-idLength);
}

/** `pattern`: with `{id}` in place of the id. */
export function formatFunctionUrl(pattern: string, id: string): string {
  return pattern.replace(FUNCTION_URL_ID, id);
}

/** The id in a status' `functionURL`. */
export function parseFunctionUrl(url: string | undefined): string | undefined {
  return /^https?:\/\/(?:[^/]+\/(?:.*\/)?lambda-url\/)?([0-9a-z]{32})[./]/.exec(url ?? "")?.[1];
}

/** Where a request for a function URL goes; `id` undefined: there can be no such URL. */
export interface FunctionUrlTarget {
  readonly id: string | undefined;
  /** As the function shall see it. */
  readonly path: string;
  /** What was taken off the path. */
  readonly prefix: string;
}

export interface FunctionUrlAddress {
  readonly host: string | undefined;
  readonly path: string;
}

/** By host `<id>.<hostSuffix>` or by path `/lambda-url/<id>/…`; undefined: the request means no function URL. */
export function findFunctionUrl({ host, path }: FunctionUrlAddress, hostSuffix: string): FunctionUrlTarget | undefined {
  const label = hostSuffix === "" ? undefined : firstLabel(host, hostSuffix);
  if (label !== undefined) return { id: checkedId(label), path, prefix: "" };
  if (!path.startsWith(FUNCTION_URL_PATH)) return undefined;
  const end = path.indexOf("/", FUNCTION_URL_PATH.length);
  const prefix = end < 0 ? path : path.slice(0, end);
  const own = path.slice(prefix.length) || "/";
  const id = climbsOut(own) ? undefined : checkedId(prefix.slice(FUNCTION_URL_PATH.length));
  return { id, path: own, prefix };
}

/** Without its dot segments, as a signature signs it and others read it, such a path is none of this URL's. Counts as AWS does: empty segments are none. */
function climbsOut(path: string): boolean {
  if (!path.includes("/..")) return false;
  let depth = 0;
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    depth += segment === ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

function firstLabel(host = "", suffix: string): string | undefined {
  const bare = host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  return bare.endsWith(`.${suffix.toLowerCase()}`) ? bare.slice(0, -suffix.length - 1) : undefined;
}

function checkedId(text: string): string | undefined {
  return idPattern.test(text) ? text : undefined;
}

/** Which published versions of a function can be made here: those that are as the function is. Pure. */
import type { CodeFound, FunctionFound, VersionFound } from "./found.ts";

export interface FunctionVersions {
  /** What the Function is made of: `$LATEST`, else the newest version. */
  readonly base: FunctionFound;
  readonly versions: readonly VersionFound[];
  /** A sentence for each version that differs. */
  readonly others: readonly string[];
}

/** `entries`: all that was found of one function, at least one. */
export function versionsOf(entries: readonly FunctionFound[]): FunctionVersions {
  const ordered = [...entries].sort((a, b) => rank(b.version) - rank(a.version));
  const [base] = ordered;
  if (base === undefined) throw new RangeError("a function has at least one entry");
  const published = ordered.filter(({ version }) => version !== "$LATEST");
  const same = published.filter((entry) => frozenText(entry) === frozenText(base));
  const others = published.filter((entry) => !same.includes(entry));
  return { base, versions: same.map(versionFound), others: others.map(otherNote) };
}

function rank(version: string): number {
  return version === "$LATEST" ? Infinity : Number(version);
}

/** What a version freezes but its description. Reserved concurrency and tags are the function's. */
function frozenText({ spec, code, layers }: FunctionFound): string {
  const { description: _description, tags: _tags, reservedConcurrentExecutions: _reserved, ...frozen } = spec;
  const entries = Object.entries(frozen).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([entries, sha256Of(code) ?? code, layers.map(({ key }) => key)]);
}

function versionFound({ name, version, origin, spec, code }: FunctionFound): VersionFound {
  const { description } = spec;
  const sha256 = sha256Of(code);
  return {
    type: "version",
    functionName: name,
    name: version,
    origin,
    spec: {
      version: Number(version),
      ...(sha256 !== undefined && { codeSHA256: Buffer.from(sha256, "hex").toString("base64") }),
      ...(description !== undefined && { description }),
    },
    notes: [],
  };
}

function otherNote({ name, version }: FunctionFound): string {
  return `version ${version} is not written: its code or configuration is other than the function's, and a Version is a snapshot of it; first apply what "aws lambda get-function --function-name ${name} --qualifier ${version}" imports as`;
}

/** Hex; undefined where the code is no zip of AWS'. */
function sha256Of(code: CodeFound): string | undefined {
  return "sha256" in code ? code.sha256 : undefined;
}

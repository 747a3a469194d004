/** What was read from AWS, in the words of our specs and not checked yet. */

/** A spec that is being put together. */
export type Draft = Readonly<Record<string, unknown>>;

/** Where the bytes of a function or a layer are. */
export type CodeFound =
  /** A zip that AWS keeps; `location` is a URL that ends within minutes. */
  | { readonly type: "zip"; readonly sha256: string; readonly location?: string; readonly command: string }
  /** A zip that lies here. */
  | { readonly type: "file"; readonly sha256: string; readonly file: string }
  /** Already as our spec has it; with the digest of the zip in it, if it is one of AWS'. */
  | { readonly type: "spec"; readonly code: Draft; readonly sha256?: string }
  /** A folder or a zip beside a template. */
  | { readonly type: "path"; readonly path: string }
  | { readonly type: "missing"; readonly reason: string };

/** A layer version as a function uses it; two with the same key are the same. */
export interface LayerUse {
  readonly key: string;
  readonly name: string;
  /** Of AWS's; absent: made by the template that is read. */
  readonly origin?: { readonly arn: string; readonly accountId: string; readonly version: number };
}

export interface FunctionFound {
  readonly type: "function";
  readonly name: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  /** What it is called where it comes from. */
  readonly origin: string;
  readonly spec: Draft;
  readonly code: CodeFound;
  readonly layers: readonly LayerUse[];
  readonly notes: readonly string[];
}

export interface LayerFound {
  readonly type: "layer";
  readonly use: LayerUse;
  readonly origin: string;
  readonly spec: Draft;
  readonly content: CodeFound;
  readonly notes: readonly string[];
}

export interface AliasFound {
  readonly type: "alias";
  readonly functionName: string;
  readonly name: string;
  readonly origin: string;
  readonly spec: Draft;
  readonly notes: readonly string[];
}

export interface VersionFound {
  readonly type: "version";
  readonly functionName: string;
  readonly name: string;
  readonly origin: string;
  readonly spec: Draft;
  readonly notes: readonly string[];
}

export interface MappingFound {
  readonly type: "mapping";
  /** With the qualifier, if there is one. */
  readonly functionName: string;
  /** Tells apart what else is called alike. */
  readonly id: string;
  readonly origin: string;
  readonly spec: Draft;
  readonly notes: readonly string[];
}

/** One member of a Function's, an Alias' or a Version's spec that AWS keeps apart. */
export interface SettingFound {
  readonly type: "setting";
  readonly functionName: string;
  /** An alias or a number; absent: the function's own. */
  readonly qualifier?: string;
  readonly member:
    | "reservedConcurrentExecutions"
    | "functionURLConfig"
    | "functionEventInvokeConfig"
    | "provisionedConcurrencyConfig"
    | "codeSigningConfigARN";
  readonly value: unknown;
  readonly notes: readonly string[];
}

/** What no object comes of. */
export interface NoteFound {
  readonly type: "note";
  readonly text: string;
}

/** What cannot be read, and what to do about it. */
export interface ProblemFound {
  readonly type: "problem";
  readonly text: string;
}

export type Found =
  FunctionFound | LayerFound | AliasFound | VersionFound | MappingFound | SettingFound | NoteFound | ProblemFound;

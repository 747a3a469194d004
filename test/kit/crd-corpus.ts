/** The corpus of good and bad specs, which runs against zod and against a real API server. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { API_VERSION } from "../../crds/names.ts";
import { parseAlias } from "../../crds/v1alpha1/alias.ts";
import { parseEventSourceMapping } from "../../crds/v1alpha1/event-source-mapping.ts";
import { parseFunction } from "../../crds/v1alpha1/function.ts";
import { parseLayer } from "../../crds/v1alpha1/layer.ts";
import { parseVersion } from "../../crds/v1alpha1/version.ts";
import type { ParseResult } from "../../crds/parse.ts";

export interface CorpusEntry {
  readonly kind: string;
  /** Of a good one. */
  readonly shows?: string;
  /** Part of the message for a bad one. */
  readonly says?: string;
  readonly spec: object;
}

export function readCorpus(name: "good" | "bad"): readonly CorpusEntry[] {
  return parse(readFileSync(new URL(`../../crds/corpus/${name}.yaml`, import.meta.url), "utf8")) as CorpusEntry[];
}

export function manifestOf({ kind, spec }: CorpusEntry, name: string): object {
  return { apiVersion: API_VERSION, kind, metadata: { name, namespace: "default" }, spec };
}

const parsers: Readonly<Record<string, (object: unknown) => ParseResult<unknown>>> = {
  Function: parseFunction,
  Version: parseVersion,
  Alias: parseAlias,
  Layer: parseLayer,
  EventSourceMapping: parseEventSourceMapping,
};

export function parseByKind(entry: CorpusEntry): ParseResult<unknown> {
  const parser = parsers[entry.kind];
  if (parser === undefined)
    throw new TypeError(`Cannot parse "${entry.kind}": the corpus names a kind that is none of ours`);
  return parser(manifestOf(entry, "a"));
}

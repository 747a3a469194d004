/** The corpus of good and bad specs, which runs against zod and against a real API server. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { API_VERSION } from "../../crds/names.ts";
import type { ParseResult } from "../../crds/parse.ts";
import { parseAlias } from "../../crds/v1alpha1/alias.ts";
import { parseEventSourceMapping } from "../../crds/v1alpha1/event-source-mapping.ts";
import { parseFunction } from "../../crds/v1alpha1/function.ts";
import { parseLayer } from "../../crds/v1alpha1/layer.ts";
import { parseVersion } from "../../crds/v1alpha1/version.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";

/** One page of crds/corpus. */
export interface Corpus {
  readonly good: readonly { readonly shows: string; readonly spec: object }[];
  /** `says` is a part of the message, `name` the object's name where it matters, `of` the conformance case that it is of. */
  readonly bad: readonly {
    readonly says: string;
    readonly spec: object;
    readonly name?: string;
    readonly of?: string;
  }[];
  /** Without `says` the change is allowed. */
  readonly changes: readonly { readonly says?: string; readonly from: object; readonly to: object }[];
}

export interface CorpusKind {
  readonly kind: string;
  readonly corpus: Corpus;
  /** As the kind's parse function; `old` is an object that was parsed before. */
  readonly parse: (object: unknown, old?: unknown) => ParseResult<unknown>;
}

/** All five kinds, each with its page of the corpus. */
export const corpusKinds: readonly CorpusKind[] = [
  corpusKind("Function", "function", parseFunction),
  corpusKind("Version", "version", parseVersion),
  corpusKind("Alias", "alias", parseAlias),
  corpusKind("Layer", "layer", parseLayer),
  corpusKind("EventSourceMapping", "event-source-mapping", parseEventSourceMapping),
];

/** Sources at and over the bound of 1 MiB. */
export const inlineCode: readonly { kind: string; shows: string; says?: string; spec: object }[] = [
  {
    kind: "Function",
    shows: "files of 1 MiB",
    spec: zipFunction({ files: { a: "x".repeat(2 ** 19), b: "x".repeat(2 ** 19) } }),
  },
  {
    kind: "Function",
    shows: "files of 1 MiB and a byte",
    says: "files hold at most 1 MiB together: use configMapRef, url, s3Bucket, oci or digest",
    spec: zipFunction({ files: { a: "x".repeat(2 ** 19), b: "x".repeat(2 ** 19 + 1) } }),
  },
  { kind: "Function", shows: "a zip of 1 MiB", spec: zipFunction({ zipFile: "A".repeat(1398104) }) },
  {
    kind: "Layer",
    shows: "a zip of 1 MiB and a byte",
    says: "zipFile holds a zip of at most 1 MiB: use configMapRef, url, s3Bucket, oci or digest",
    spec: { content: { zipFile: "A".repeat(1398108) } },
  },
];

function zipFunction(code: object): object {
  return { runtime: "a", handler: "b", code };
}

export function manifestOf(kind: string, name: string, spec: object): KubernetesObject {
  return { apiVersion: API_VERSION, kind, metadata: { name, namespace: "default" }, spec };
}

function corpusKind<T>(
  kind: string,
  page: string,
  parseObject: (object: unknown, old?: T) => ParseResult<T>,
): CorpusKind {
  const corpus = parse(readFileSync(new URL(`../../crds/corpus/${page}.yaml`, import.meta.url), "utf8")) as Corpus;
  return { kind, corpus, parse: (object, old) => parseObject(object, old as T | undefined) };
}

/** What the ACK lambda-controller's kinds have, and manifests written for them. */
import { readFileSync } from "node:fs";
import { parse, parseAllDocuments } from "yaml";
import { API_VERSION } from "../../crds/names.ts";
import type { KubernetesObject } from "../../lib/kubernetes/object.ts";

const corpus = new URL("../../crds/corpus/", import.meta.url);

/** Kind → path below its spec → type. */
export const ackFields = parse(readFileSync(new URL("ack-fields.yaml", corpus), "utf8")) as Readonly<
  Record<string, Readonly<Record<string, string>>>
>;

/** Kinds whose manifests convert by `apiVersion` alone. */
export const convertedKinds = ["Function", "Version", "Alias", "EventSourceMapping"] as const;

export const ackManifests = parseAllDocuments(readFileSync(new URL("ack-manifests.yaml", corpus), "utf8")).map(
  (document) => document.toJS() as KubernetesObject & { spec: Readonly<Record<string, unknown>> },
);

/** What a user does: another apiVersion. */
export function convert(manifest: KubernetesObject): KubernetesObject {
  return { ...manifest, apiVersion: API_VERSION };
}

const movingIn = readFileSync(new URL("../../docs/moving-in.md", import.meta.url), "utf8");

/** Fields of the table in docs/moving-in.md as `Kind.path`, with what it says of them. */
export function documentedFields(): ReadonlyMap<string, string> {
  const rows = movingIn.split("\n").flatMap((line) => {
    const [, fields = "", meaning = ""] = line.split("|");
    return [...fields.matchAll(/`((?:Function|Version|Alias|EventSourceMapping)\.[^`]+)`/g)].map(
      ([, field = ""]) => [field, meaning.trim()] as const,
    );
  });
  return new Map(rows);
}

/** Paths of the leaves of a spec, as ack-fields.yaml spells them: `<name>` for the keys of `maps`, `[]` for items. */
export function pathsOf(value: unknown, known: ReadonlySet<string>, path = ""): readonly string[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap((item) => pathsOf(item, known, `${path}[]`)))];
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, member]) => {
    const isMap = [...known].some((field) => field.startsWith(`${path}.<name>`));
    const step = isMap ? "<name>" : name;
    return pathsOf(member, known, path === "" ? step : `${path}.${step}`);
  });
}

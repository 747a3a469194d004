/** What was found → manifests with what a user has to know of each. Every manifest passes its schema; what would not is a problem. Pure. */
import { API_VERSION } from "../../../crds/names.ts";
import type { ParseResult } from "../../../crds/parse.ts";
import { parseAlias } from "../../../crds/v1alpha1/alias.ts";
import { parseEventSourceMapping } from "../../../crds/v1alpha1/event-source-mapping.ts";
import { parseFunction } from "../../../crds/v1alpha1/function.ts";
import { parseLayer } from "../../../crds/v1alpha1/layer.ts";
import { parseVersion } from "../../../crds/v1alpha1/version.ts";
import type {
  AliasFound,
  CodeFound,
  Draft,
  Found,
  FunctionFound,
  LayerFound,
  LayerUse,
  MappingFound,
  SettingFound,
  VersionFound,
} from "./found.ts";
import { layerNames } from "./layer-names.ts";
import { layerCommand } from "./output-readers.ts";
import { merge } from "./merge.ts";
import { ObjectNames } from "./object-names.ts";
import { toldOf } from "./told.ts";
import { versionsOf } from "./function-versions.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: Draft;
}

export interface ImportedDocument {
  readonly manifest: Manifest;
  /** What it comes from. */
  readonly origin: string;
  readonly notes: readonly string[];
}

export interface Assembled {
  readonly documents: readonly ImportedDocument[];
  /** What is not written, and why. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
}

export interface AssembleOptions {
  readonly namespace?: string | undefined;
}

const parsers: Readonly<Record<string, (object: unknown) => ParseResult<{ readonly spec: unknown }>>> = {
  Layer: parseLayer,
  Function: parseFunction,
  Version: parseVersion,
  Alias: parseAlias,
  EventSourceMapping: parseEventSourceMapping,
};

export function assemble(given: readonly Found[], options: AssembleOptions = {}): Assembled {
  const found = merge(given);
  return new Assembly(found, options).run();
}

class Assembly {
  readonly #found: readonly Found[];
  readonly #options: AssembleOptions;
  readonly #names = new ObjectNames();
  readonly #layerNames: ReadonlyMap<string, string>;
  readonly #documents: ImportedDocument[] = [];
  readonly #problems: string[] = [];
  readonly #notes: string[] = [];
  readonly #usedSettings = new Set<SettingFound>();

  constructor(found: readonly Found[], options: AssembleOptions) {
    this.#found = found;
    this.#options = options;
    const uses = found.flatMap((each) =>
      each.type === "function" ? each.layers : each.type === "layer" ? [each.use] : [],
    );
    this.#layerNames = layerNames(uses);
  }

  run(): Assembled {
    for (const { text } of this.#all("problem")) this.#problems.push(text);
    for (const { text } of this.#all("note")) this.#notes.push(text);
    for (const layer of this.#all("layer")) this.#layer(layer);
    for (const [name, entries] of Map.groupBy(this.#all("function"), (each) => each.name))
      this.#function(name, entries);
    for (const version of this.#all("version")) this.#version(version);
    for (const alias of this.#all("alias")) this.#alias(alias);
    for (const mapping of this.#all("mapping")) this.#mapping(mapping);
    for (const setting of this.#all("setting")) this.#unusedSetting(setting);
    return { documents: this.#documents, problems: this.#problems, notes: [...new Set(this.#notes)] };
  }

  #all<T extends Found["type"]>(type: T): readonly Extract<Found, { type: T }>[] {
    return this.#found.filter((each) => each.type === type) as Extract<Found, { type: T }>[];
  }

  #layer({ use, origin, spec, content, notes }: LayerFound): void {
    const name = this.#layerNames.get(use.key) ?? use.name;
    const { namespace } = this.#options;
    const code = codeOf(content, { member: "content", title: `Layer "${name}"`, name, namespace });
    if (code.problem !== undefined) {
      this.#problems.push(code.problem);
      return;
    }
    this.#write({
      kind: "Layer",
      name,
      spec: { content: code.value, ...spec },
      origin,
      notes: [...notes, ...code.notes],
    });
  }

  #function(name: string, entries: readonly FunctionFound[]): void {
    const { base, versions, others } = versionsOf(entries);
    const { namespace } = this.#options;
    const code = codeOf(base.code, { member: "code", title: `Function "${name}"`, name, namespace });
    if (code.problem !== undefined) {
      this.#problems.push(code.problem);
      return;
    }
    const settings = this.#settingsOf(name, undefined);
    const layers = base.layers.map(({ key, name: own }) => this.#layerNames.get(key) ?? own);
    const spec = {
      ...base.spec,
      code: code.value,
      ...(layers.length > 0 && { layers }),
      ...settings.spec,
    };
    const notes = [...base.notes, ...settings.notes, ...code.notes, ...this.#layerNotes(base.layers), ...others];
    this.#write({ kind: "Function", name, spec, origin: base.origin, notes });
    for (const version of versions) this.#version(version);
  }

  #layerNotes(uses: readonly LayerUse[]): readonly string[] {
    const written = new Set(this.#all("layer").map(({ use }) => this.#layerNames.get(use.key)));
    return uses.flatMap(({ key, origin }) => {
      if (origin === undefined) return [];
      const name = this.#layerNames.get(key) ?? "";
      if (written.has(name))
        return [`spec.layers: "${name}" is ${origin.arn}; versions of a Layer are numbered from 1`];
      return [
        `spec.layers: "${name}" is to be made of ${origin.arn}: import the output of ${layerCommand(origin.arn)}`,
      ];
    });
  }

  #version({ functionName, name, origin, spec, notes }: VersionFound): void {
    const settings = this.#settingsOf(functionName, name);
    const whole = { functionName, ...spec, ...settings.spec };
    const all = [...notes, ...settings.notes];
    this.#write({ kind: "Version", name: `${functionName}-${name}`, spec: whole, origin, notes: all });
  }

  #alias({ functionName, name, origin, spec, notes }: AliasFound): void {
    const settings = this.#settingsOf(functionName, name);
    const target = textOf(spec["functionVersion"]);
    const isThere = this.#documents.some(
      ({ manifest }) =>
        manifest.kind === "Version" &&
        manifest.spec["functionName"] === functionName &&
        textOf(manifest.spec["version"]) === target,
    );
    const waits = `spec.functionVersion: version ${target} of "${functionName}" is not among what was imported; the alias waits for it`;
    const whole = { name, functionName, ...spec, ...settings.spec };
    const all = [...notes, ...settings.notes, ...(/^[0-9]+$/.test(target) && !isThere ? [waits] : [])];
    this.#write({ kind: "Alias", name: `${functionName}-${name}`, spec: whole, origin, notes: all });
  }

  #mapping({ functionName, id, origin, spec, notes }: MappingFound): void {
    const [topic] = (spec["topics"] ?? []) as readonly unknown[];
    const source = textOf(spec["eventSourceARN"] ?? topic ?? id);
    const name = `${functionName.replace(":", "-")}-${source.split(/[:/]/).at(-1) ?? id}`;
    this.#write({ kind: "EventSourceMapping", name, identity: id, spec: { functionName, ...spec }, origin, notes });
  }

  #settingsOf(
    functionName: string,
    qualifier: string | undefined,
  ): { readonly spec: Draft; readonly notes: readonly string[] } {
    const settings = this.#all("setting").filter(
      (each) => each.functionName === functionName && each.qualifier === qualifier,
    );
    for (const setting of settings) this.#usedSettings.add(setting);
    const spec = Object.fromEntries(settings.map(({ member, value }) => [member, value]));
    return { spec, notes: settings.flatMap(({ notes }) => notes) };
  }

  #unusedSetting(setting: SettingFound): void {
    if (this.#usedSettings.has(setting)) return;
    const { member, functionName, qualifier } = setting;
    const owner =
      qualifier === undefined ? `function "${functionName}"` : `alias or version "${functionName}:${qualifier}"`;
    const command = qualifier === undefined ? "get-function" : "list-aliases and list-versions-by-function";
    this.#problems.push(`Cannot write ${member} of ${owner}: import the output of ${command} with it`);
  }

  #write(draft: {
    kind: string;
    name: string;
    identity?: string;
    spec: Draft;
    origin: string;
    notes: readonly string[];
  }): void {
    const { kind, name, identity, spec, origin, notes } = draft;
    const metadata = {
      name: this.#names.nameFor(kind, name, identity ?? name),
      ...(this.#options.namespace !== undefined && { namespace: this.#options.namespace }),
    };
    const isNamed = (kind === "Function" || kind === "Layer") && metadata.name !== name;
    const manifest = { apiVersion: API_VERSION, kind, metadata, spec: { ...(isNamed && { name }), ...spec } };
    const parsed = parsers[kind]?.(manifest);
    if (parsed?.ok !== true) {
      const todo = notes.filter((note) => note.startsWith("TODO")).map((note) => `; ${note}`);
      this.#problems.push(
        `Cannot write ${kind} "${metadata.name}" of ${origin}: ${parsed?.error ?? ""}${todo.join("")}`,
      );
      return;
    }
    this.#documents.push({ manifest, origin, notes: [...notes, ...toldOf(kind, parsed.value.spec)] });
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

interface Wanted {
  readonly member: "code" | "content";
  readonly title: string;
  readonly name: string;
  readonly namespace: string | undefined;
}

function codeOf(
  found: CodeFound,
  { member, title, name, namespace }: Wanted,
): { readonly value?: Draft; readonly notes: readonly string[]; readonly problem?: string } {
  const inNamespace = namespace === undefined ? "" : ` -n ${namespace}`;
  switch (found.type) {
    case "spec":
      return { value: found.code, notes: [] };
    case "zip":
      return {
        value: { digest: `sha256:${found.sha256}` },
        notes: [
          `spec.${member}: fetch the zip and push it: curl -fo ${name}.zip "$(${found.command})" && kubelambda push ${name}.zip${inNamespace}`,
        ],
      };
    case "file":
      return {
        value: { digest: `sha256:${found.sha256}` },
        notes: [`spec.${member}: push the zip: kubelambda push ${found.file}${inNamespace}`],
      };
    case "path":
      return { notes: [], problem: `Cannot write ${title}: "${found.path}" is not read` };
    case "missing":
      return { notes: [], problem: `Cannot write ${title}: ${found.reason}` };
  }
}

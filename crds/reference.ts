/** Reference pages in Markdown, from the same schemas as the CustomResourceDefinitions. */
import type { KindDefinition } from "./kinds.ts";
import { toStructural, type OpenApi } from "./openapi.ts";
import { conditionTypes, reasons } from "./v1alpha1/condition.ts";

interface Row {
  readonly path: string;
  readonly node: OpenApi;
  readonly isRequired: boolean;
}

/** One kind's page: fields of spec and status, and the rules over several fields. */
export function kindReference(definition: KindDefinition): string {
  const spec = toStructural(definition.spec);
  const status = toStructural(definition.status, "status");
  const names = definition.shortNames.length === 0 ? "" : ` Short name: \`${definition.shortNames.join("`, `")}\`.`;
  return [
    `# ${definition.kind}`,
    `${definition.description}. \`apiVersion: ${definition.apiVersion}\`, \`kind: ${definition.kind}\`, namespaced.${names}`,
    "## spec",
    fieldTable(rows(spec, "", false)),
    "### Rules",
    rules(spec, "spec")
      .map((line) => `- ${line}`)
      .join("\n"),
    "## status",
    fieldTable(rows(status, "", false)),
    "",
  ].join("\n\n");
}

/** Condition types and every reason with its sentence. */
export function conditionsReference(): string {
  const table = (head: string, entries: Readonly<Record<string, string>>): string =>
    [
      `| ${head} | meaning |`,
      "| --- | --- |",
      ...Object.entries(entries).map(([name, text]) => `| \`${name}\` | ${escape(text)} |`),
    ].join("\n");
  return ["# Conditions", table("type", conditionTypes), "## Reasons", table("reason", reasons), ""].join("\n\n");
}

function rows(node: OpenApi, path: string, isRequired: boolean): Row[] {
  const own = path === "" ? [] : [{ path, node, isRequired }];
  const members = Object.entries(node.properties ?? {}).flatMap(([name, member]) =>
    rows(member, path === "" ? name : `${path}.${name}`, node.required?.includes(name) === true),
  );
  const items = node.items?.properties === undefined ? [] : rows(node.items, `${path}[]`, false).slice(1);
  const values =
    node.additionalProperties?.properties === undefined
      ? []
      : rows(node.additionalProperties, `${path}.<name>`, false).slice(1);
  return [...own, ...members, ...items, ...values];
}

function fieldTable(all: readonly Row[]): string {
  const lines = all.map(
    ({ path, node, isRequired }) =>
      `| \`${path}\`${isRequired ? " *" : ""} | ${typeText(node)} | ${escape(rangeText(node))} | ${escape(node.description ?? "")} |`,
  );
  return ["| field (* required) | type | range, default | meaning |", "| --- | --- | --- | --- |", ...lines].join("\n");
}

function typeText(node: OpenApi): string {
  if (node.type === "array") return `list of ${node.items?.type ?? "values"}`;
  if (node.additionalProperties !== undefined) return `map of ${node.additionalProperties.type ?? "values"}`;
  return node.type ?? "";
}

function rangeText(node: OpenApi): string {
  const { minimum, maximum, minLength, maxLength, maxItems, maxProperties, pattern } = node as Readonly<
    Record<string, number | string | undefined>
  >;
  const parts = [
    node.enum?.map((value) => `\`${String(value)}\``).join(", "),
    minimum !== undefined || maximum !== undefined ? `${minimum ?? ""} to ${maximum ?? ""}` : undefined,
    maxLength !== undefined ? `${minLength ?? 0} to ${maxLength} characters` : undefined,
    maxItems !== undefined ? `at most ${maxItems}` : undefined,
    maxProperties !== undefined ? `at most ${maxProperties}` : undefined,
    pattern !== undefined ? `\`${pattern}\`` : undefined,
    node.default !== undefined ? `default \`${JSON.stringify(node.default)}\`` : undefined,
  ];
  return parts.filter((part) => part !== undefined).join("; ");
}

function rules(node: OpenApi, path: string): string[] {
  const own = (node["x-kubernetes-validations"] ?? []) as readonly { readonly message: string }[];
  const below = [
    ...Object.entries(node.properties ?? {}).map(([name, member]) => rules(member, `${path}.${name}`)),
    node.items === undefined ? [] : rules(node.items, `${path}[]`),
    node.additionalProperties === undefined ? [] : rules(node.additionalProperties, `${path}.<name>`),
  ];
  return [...own.map(({ message }) => `\`${path}\`: ${message}`), ...below.flat()];
}

function escape(text: string): string {
  return text.replaceAll("|", "\\|");
}

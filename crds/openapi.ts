/** zod schema → structural OpenAPI schema and CustomResourceDefinition; refuses what an API server would not take as structural. */
import { z } from "zod";
import { API_GROUP } from "./names.ts";
import type { KindDefinition } from "./kinds.ts";
import { asValidations } from "./rule.ts";
import { unseenStatus } from "./v1alpha1/condition.ts";

/** A node of a structural schema. */
export interface OpenApi {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, OpenApi>>;
  readonly additionalProperties?: OpenApi;
  readonly items?: OpenApi;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly [keyword: string]: unknown;
}

const keywords = new Set([
  "type",
  "description",
  "properties",
  "additionalProperties",
  "items",
  "required",
  "enum",
  "default",
  "format",
  "pattern",
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "maxProperties",
  "x-kubernetes-validations",
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-preserve-unknown-fields",
]);
const bounds = { string: "maxLength", array: "maxItems" } as const;

/** The structural schema of a zod schema as users write it; throws with the path of what is not structural or has no bound. */
export function toStructural(schema: z.ZodType, path = "spec"): OpenApi {
  refuseTransforms(schema, path);
  return structural(z.toJSONSchema(schema, { target: "openapi-3.0", io: "input" }) as OpenApi, path);
}

/** What is parsed is what is stored: only defaults may differ. zod shows a transform as its input, but cannot show its output. */
function refuseTransforms(schema: z.ZodType, path: string): void {
  try {
    z.toJSONSchema(schema, { target: "openapi-3.0", io: "output" });
  } catch (cause) {
    throw new TypeError(`Cannot make ${path} structural: it has a transform or a type that is not JSON`, { cause });
  }
}

function structural(node: OpenApi, path: string): OpenApi {
  const { $schema: _schema, additionalProperties, properties, items, ...rest } = node as OpenApi & { $schema?: string };
  if (rest.type === undefined)
    throw new TypeError(`Cannot make ${path} structural: it has no single type; use one object with an enum and rules`);
  if ((additionalProperties as unknown) === false)
    throw new TypeError(`Cannot make ${path} structural: z.object prunes what it does not know, z.strictObject cannot`);
  const isLoose =
    rest.type === "object" && additionalProperties !== undefined && Object.keys(additionalProperties).length === 0;
  const result = {
    ...withoutSafeIntegers(rest),
    ...(properties !== undefined &&
      !isLoose && { properties: mapValues(properties, (member, name) => structural(member, `${path}.${name}`)) }),
    ...(additionalProperties !== undefined &&
      !isLoose && { additionalProperties: structural(additionalProperties, `${path}.*`) }),
    ...(items !== undefined && { items: structural(items, `${path}[]`) }),
    ...(isLoose && { "x-kubernetes-preserve-unknown-fields": true }),
  };
  refuse(result, path);
  return result;
}

function refuse(node: OpenApi, path: string): void {
  for (const keyword of Object.keys(node)) {
    if (!keywords.has(keyword)) throw new TypeError(`Cannot make ${path} structural: "${keyword}" is not allowed`);
  }
  const bound = bounds[node.type as keyof typeof bounds] as string | undefined;
  const isBounded =
    bound === undefined || bound in node || "enum" in node || "format" in node || boundedByPattern(node);
  if (!isBounded) throw new TypeError(`Cannot take ${path}: it has no ${bound}, which CEL's cost needs`);
  if (node.type === "object" && node.additionalProperties !== undefined && !("maxProperties" in node)) {
    throw new TypeError(`Cannot take ${path}: it has no maxProperties, which CEL's cost needs`);
  }
  if (node.type === "array" && !("x-kubernetes-list-type" in node))
    throw new TypeError(`Cannot take ${path}: it has no x-kubernetes-list-type`);
  if (typeof node["pattern"] === "string" && /\(\?[=!<]|\\[1-9]/.test(node["pattern"]))
    throw new TypeError(`Cannot take ${path}: its pattern looks around or back, which RE2 cannot`);
}

function boundedByPattern(node: OpenApi): boolean {
  return (
    typeof node["pattern"] === "string" &&
    /^\^.*\{\d+\}.*\$$/.test(node["pattern"]) &&
    !/[*+]|,\}/.test(node["pattern"].replace(/\[[^\]]*\]/g, ""))
  );
}

/** zod bounds every integer by what a double can hold: true, and noise in a CRD. */
function withoutSafeIntegers(node: OpenApi): OpenApi {
  const kept = Object.entries(node).filter(
    ([name, value]) =>
      !((name === "minimum" || name === "maximum") && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER),
  );
  return { ...Object.fromEntries(kept), ...(node.type === "integer" && { format: "int64" }) };
}

function mapValues<V, R>(map: Readonly<Record<string, V>>, change: (value: V, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value, name)]));
}

/** The CustomResourceDefinition of one kind. */
export function toCustomResourceDefinition(definition: KindDefinition): object {
  const { kind, plural, apiVersion, shortNames, columns, description, scale, rules } = definition;
  const singular = kind.toLowerCase();
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${API_GROUP}` },
    spec: {
      group: API_GROUP,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        ...(shortNames.length > 0 && { shortNames }),
        categories: ["kubelambda"],
      },
      versions: [
        {
          name: apiVersion.slice(API_GROUP.length + 1),
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          subresources: { status: {}, ...(scale !== undefined && { scale }) },
          schema: {
            openAPIV3Schema: {
              description,
              type: "object",
              required: ["spec"],
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                spec: toStructural(definition.spec),
                status: { ...toStructural(definition.status, "status"), default: unseenStatus },
              },
              ...(rules.length > 0 && { "x-kubernetes-validations": asValidations(rules) }),
            },
          },
        },
      ],
    },
  };
}

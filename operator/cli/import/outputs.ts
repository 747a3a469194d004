/** Which output of the AWS CLI a document is, and what was found in it. Pure. */
import { z } from "zod";
import type { Draft, Found, ProblemFound } from "./found.ts";
import {
  readAlias,
  readCodeSigning,
  readConcurrency,
  readConfiguration,
  readEventInvoke,
  readFunction,
  readLayerVersion,
  readListedLayer,
  readMapping,
  readPolicy,
  readProvisioned,
  readUrl,
} from "./output-readers.ts";
import { problem, withSchema, type OutputOf } from "./with-schema.ts";

interface Output {
  /** Subcommands that print it. */
  readonly commands: string;
  /** It is this output when it has all of these members. */
  readonly members: readonly string[];
  readonly read: (document: unknown, of: OutputOf) => readonly Found[];
}

const listSchema = z.array(z.unknown());

/** The first that fits counts. */
const outputs: readonly Output[] = [
  { commands: "get-function", members: ["Configuration"], read: (document) => readFunction(document) },
  { commands: "get-function-configuration", members: ["FunctionName", "FunctionArn"], read: readConfiguration },
  { commands: "list-functions", members: ["Functions"], read: eachOf("Functions", readConfiguration) },
  { commands: "list-versions-by-function", members: ["Versions"], read: eachOf("Versions", readConfiguration) },
  { commands: "list-aliases", members: ["Aliases"], read: eachOf("Aliases", readAlias) },
  { commands: "list-layers", members: ["Layers"], read: eachOf("Layers", readListedLayer) },
  { commands: "list-layer-versions", members: ["LayerVersions"], read: eachOf("LayerVersions", readLayerVersion) },
  {
    commands: "list-event-source-mappings",
    members: ["EventSourceMappings"],
    read: eachOf("EventSourceMappings", readMapping),
  },
  {
    commands: "list-function-url-configs",
    members: ["FunctionUrlConfigs"],
    read: eachOf("FunctionUrlConfigs", readUrl),
  },
  {
    commands: "list-provisioned-concurrency-configs",
    members: ["ProvisionedConcurrencyConfigs"],
    read: eachOf("ProvisionedConcurrencyConfigs", readProvisioned),
  },
  {
    commands: "list-function-event-invoke-configs",
    members: ["FunctionEventInvokeConfigs"],
    read: eachOf("FunctionEventInvokeConfigs", readEventInvoke),
  },
  { commands: "get-event-source-mapping", members: ["UUID", "FunctionArn"], read: readMapping },
  { commands: "get-alias", members: ["AliasArn"], read: readAlias },
  { commands: "get-layer-version", members: ["LayerVersionArn"], read: readLayerVersion },
  { commands: "get-function-url-config", members: ["FunctionUrl"], read: readUrl },
  {
    commands: "get-provisioned-concurrency-config",
    members: ["RequestedProvisionedConcurrentExecutions"],
    read: readProvisioned,
  },
  { commands: "get-function-code-signing-config", members: ["CodeSigningConfigArn"], read: readCodeSigning },
  { commands: "get-function-concurrency", members: ["ReservedConcurrentExecutions"], read: readConcurrency },
  { commands: "get-policy", members: ["Policy"], read: readPolicy },
  { commands: "get-function-event-invoke-config", members: ["FunctionArn", "LastModified"], read: readEventInvoke },
];

/** What the document is, or a problem that names what it could be. */
export function readOutput(document: unknown, of: OutputOf): readonly Found[] {
  if (Array.isArray(document)) return document.flatMap((item: unknown) => readOutput(item, of));
  if (typeof document !== "object" || document === null) return [unknownOutput()];
  const members = new Set(Object.keys(document));
  // Where nothing is set, the AWS CLI prints nothing, and some wrappers an empty object.
  if (members.size === 0) return [];
  const output = outputs.find((each) => each.members.every((member) => members.has(member)));
  if (output === undefined) return [unknownOutput()];
  return [...output.read(document, of), ...cutShort(document as Draft, output)];
}

function unknownOutput(): ProblemFound {
  const commands = outputs.map((each) => each.commands).join(", ");
  return problem(`it is none of these outputs of "aws lambda": ${commands}; nor a template with Resources`);
}

/** A page of a list; the AWS CLI reads all pages unless it is told not to. */
function cutShort(document: Draft, { commands }: Output): readonly Found[] {
  const marker = document["NextMarker"] ?? document["NextToken"];
  if (marker === undefined || marker === null || marker === "") return [];
  return [problem(`it is one page of ${commands}: the rest is missing; leave out --max-items and --no-paginate`)];
}

function eachOf(member: string, read: Output["read"]): Output["read"] {
  return withSchema(z.looseObject({ [member]: listSchema }), (document) => {
    const items = (document as Readonly<Record<string, readonly unknown[]>>)[member] ?? [];
    return items.flatMap((item, index) =>
      read(item, undefined).map((found) =>
        found.type === "problem" ? problem(`${member}[${index}].${found.text}`) : found,
      ),
    );
  });
}

/** `kubelambda import`: AWS JSON and templates → manifests, on standard output or in a folder. */
import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { isAckManifest, readAckManifests } from "./import/ack.ts";
import { functionNamed, type FunctionNamed } from "./import/arns.ts";
import { assemble, type ImportedDocument } from "./import/assemble.ts";
import { fetchCode } from "./import/fetch-code.ts";
import type { Found } from "./import/found.ts";
import { manifestText } from "./import/manifest-text.ts";
import { readOutput } from "./import/outputs.ts";
import { readDocuments } from "./import/read-documents.ts";
import { isTemplate, readTemplate } from "./import/template.ts";

const usage = `usage: kubelambda import [--output DIR] [--namespace NAME] [--download] [--parameter KEY=VALUE]... FILE...

  FILE               output of "aws lambda get-function", list-functions and others, a SAM or CloudFormation template,
                     or manifests of the ACK lambda-controller; "-" is standard input; NAME[:ALIAS]=FILE where an
                     output does not say what it is of
  --output DIR       a file for each object; default: all on standard output
  --namespace NAME   metadata.namespace of all
  --download         fetch the zips of functions and layers now: small ones go into the manifests, others into DIR
  --parameter KEY=VALUE  of a template: a parameter, AWS::Region, or an attribute such as Queue.Arn`;

/** Ten thousand functions have some 20 MB. */
const largestInputBytes = 64 * 1024 * 1024;

interface ImportArguments {
  readonly inputs: readonly string[];
  readonly output: string | undefined;
  readonly namespace: string | undefined;
  readonly download: boolean;
  readonly parameters: ReadonlyMap<string, string>;
}

/** process.exitCode is 2 for wrong arguments and 1 where something is not written. */
export async function importMain(args: readonly string[]): Promise<void> {
  if (args.includes("--help")) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const options = readArguments(args);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const found: Found[] = [];
  for (const input of options.inputs) found.push(...(await readInput(input, options)));
  const ready = await fetchCode(found, { download: options.download, output: options.output });
  const { documents, problems, notes } = assemble(ready, { namespace: options.namespace });
  if (options.output === undefined) process.stdout.write(documents.map(manifestText).join("---\n"));
  else await writeFolder(options.output, documents);
  report({ documents, problems, notes });
}

function readArguments(args: readonly string[]): ImportArguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: "string", short: "o" },
        namespace: { type: "string", short: "n" },
        download: { type: "boolean", default: false },
        parameter: { type: "string", multiple: true, default: [] },
      },
    });
    const pairs = values.parameter.map((pair) => [pair, /^([^=]+)=([^]*)$/.exec(pair)] as const);
    const [wrong] = pairs.filter(([, match]) => match === null);
    if (wrong !== undefined) return `Cannot use --parameter "${wrong[0]}": want KEY=VALUE`;
    if (positionals.length === 0) return "Cannot import: no file is given";
    const parameters = new Map(pairs.map(([, match]) => [match?.[1] ?? "", match?.[2] ?? ""]));
    const { output, namespace, download } = values;
    return { inputs: positionals, output, namespace, download, parameters };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A problem names the file that it is in. */
async function readInput(input: string, options: ImportArguments): Promise<readonly Found[]> {
  const { file, of } = splitInput(input);
  const where = file === "-" ? "standard input" : `"${file}"`;
  const problem = (reason: string): Found => ({ type: "problem", text: `Cannot import ${where}: ${reason}` });
  let content: string;
  try {
    content = await readBounded(file);
  } catch (error) {
    return [problem((error as Error).message)];
  }
  const read = readDocuments(content);
  if (!read.ok) return [problem(read.error)];
  if (read.documents.length === 0) return [problem("it is empty")];
  const context = { directory: file === "-" ? "." : dirname(file), parameters: options.parameters };
  const others = read.documents.filter((document) => !isAckManifest(document));
  const found = [
    ...readAckManifests(read.documents.filter(isAckManifest)),
    ...others.flatMap((document) =>
      isTemplate(document) ? readTemplate(document, context) : readOutput(document, of),
    ),
  ];
  return found.map((each) => (each.type === "problem" ? problem(each.text) : each));
}

async function readBounded(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of (file === "-" ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestInputBytes) throw new Error(`it is larger than ${largestInputBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `hello:live=provisioned.json` says what the output is of. */
function splitInput(input: string): { readonly file: string; readonly of: FunctionNamed | undefined } {
  const match = /^([^=/]+)=(.+)$/.exec(input);
  const of = match === null ? undefined : functionNamed(match[1] ?? "");
  return of === undefined ? { file: input, of } : { file: match?.[2] ?? "", of };
}

async function writeFolder(folder: string, documents: readonly ImportedDocument[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const document of documents) {
    const { kind, metadata } = document.manifest;
    await writeFile(join(folder, `${kind.toLowerCase()}-${metadata.name}.yaml`), manifestText(document));
  }
}

function report({ documents, problems, notes }: ReturnType<typeof assemble>): void {
  for (const { manifest, notes: own } of documents) {
    for (const note of own) process.stderr.write(`${manifest.kind} "${manifest.metadata.name}": ${note}\n`);
  }
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
  for (const problem of problems) process.stderr.write(`error: ${problem}\n`);
  process.stderr.write(`${documents.length} written, ${problems.length} not written\n`);
  if (problems.length > 0) process.exitCode = 1;
}

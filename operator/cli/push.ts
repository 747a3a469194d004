/** `kubelambda push <zip or folder>`: sends a package to the store, for one namespace, and says how to name it. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { request } from "undici";
import type { ResolveAnswer, ResolvedPackage } from "../../crds/wire/packages.ts";
import { readBody } from "../../lib/http/read-body.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { archiveLimits } from "../../runtime-proxy/packages/archive-limits.ts";
import { checkArchive } from "../../runtime-proxy/packages/archive.ts";
import { PackageError } from "../../runtime-proxy/packages/package-error.ts";
import { uploadPackage } from "../../runtime-proxy/packages/upload.ts";
import { clusterTarget, localTarget, messageOf, NoWayError, type PushTarget } from "./push-way.ts";
import { FolderError, zipFolder } from "./zip-folder.ts";

const usage = `usage: kubelambda push <zip or folder> [-n <namespace>] [-q]
       [--install-namespace kubelambda] [--release kubelambda]   where kubelambda is installed
       [--service-account default]                               whose token is used, of that namespace
       [--url <url>]                                             straight to the store instead of through the API server
       [--local]                                                 to local mode (default url http://127.0.0.1:4001)`;

interface PushArguments {
  readonly path: string;
  readonly namespace: string | undefined;
  readonly installNamespace: string;
  readonly release: string;
  readonly serviceAccount: string;
  readonly url: string | undefined;
  readonly isLocal: boolean;
  readonly isQuiet: boolean;
}

/** What a command says: results to the one, everything else to the other. */
export interface Output {
  result(text: string): void;
  note(text: string): void;
}

export async function pushMain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  process.exitCode = await runPush(args, env, {
    result: (text) => process.stdout.write(text),
    note: (text) => process.stderr.write(text),
  });
}

/** Answers with the exit code: 2 for wrong arguments, 1 when it was not pushed. */
export async function runPush(args: readonly string[], env: NodeJS.ProcessEnv, output: Output): Promise<number> {
  const wanted = readArguments(args);
  if (typeof wanted === "string") {
    output.note(`${wanted}\n${usage}\n`);
    return 2;
  }
  const directory = await mkdtemp(join(tmpdir(), "kubelambda-push-"));
  try {
    const path = await packageFile(wanted.path, directory);
    await checkArchive(path, archiveLimits);
    const target = await targetOf(wanted, env);
    const say = (line: string): void => (wanted.isQuiet ? undefined : output.note(`${line}\n`));
    const pushed = await push(path, target, say).finally(() => target.close());
    output.result(wanted.isQuiet ? `${pushed.digest}\n` : manifestLines(pushed, target.namespace));
    return 0;
  } catch (error) {
    if (!isExpected(error)) throw error;
    output.note(`${error.message}\n`);
    return 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function packageFile(path: string, directory: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new FolderError(`Cannot push "${path}": there is no such file or folder`);
  if (!found.isDirectory()) return path;
  const target = join(directory, "package.zip");
  await zipFolder(path, target);
  return target;
}

async function targetOf(wanted: PushArguments, env: NodeJS.ProcessEnv): Promise<PushTarget> {
  if (wanted.isLocal) return localTarget(wanted.url ?? "http://127.0.0.1:4001", wanted.namespace ?? "default");
  const access = await kubeconfigAccess(env["KUBECONFIG"]?.includes(":") === true ? undefined : env["KUBECONFIG"]);
  return clusterTarget({ ...wanted, access, namespace: wanted.namespace ?? access.namespace });
}

/** What the namespace has already is not sent again. Throws PackageError or NoWayError. */
async function push(path: string, target: PushTarget, say: (line: string) => void): Promise<ResolvedPackage> {
  const digest = await digestOf(path);
  const there = await ask(target, digest);
  if (there.ok) {
    say(`Namespace "${target.namespace}" has it already`);
    return there.package;
  }
  if (there.error.code !== "PackageNotFound") throw new PackageError(there.error.code, there.error.message);
  const { size } = await stat(path);
  const { receivedBytes = 0 } = there.error;
  const what = receivedBytes === 0 ? "" : `the last ${megabytes(size - receivedBytes)} of `;
  say(`Sending ${what}${megabytes(size)} to ${target.title} for namespace "${target.namespace}" …`);
  const askAgain = (): Promise<ResolveAnswer> => ask(target, digest);
  const answer = await uploadPackage({ way: () => target.way(digest), path, digest, receivedBytes, ask: askAgain });
  if (answer.ok) return answer.package;
  throw new PackageError(answer.error.code, answer.error.message);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** One small request: whether there is a way at all, and whether the package is there. */
async function ask(target: PushTarget, digest: string): Promise<ResolveAnswer> {
  const { url, headers, dispatcher } = await target.way(digest);
  const answer = await request(url, {
    ...{ method: "POST", headersTimeout: 60_000, bodyTimeout: 30_000 },
    headers: { ...headers, "content-length": "0" },
    ...(dispatcher !== undefined && { dispatcher }),
  });
  const text = (await readBody(answer.body, 1024 * 1024)).toString("utf8");
  if (answer.statusCode === 200) return JSON.parse(text) as ResolveAnswer;
  const why = `${answer.statusCode}: ${messageOf(text)}`;
  throw new NoWayError(`Cannot reach ${target.title}: it answered ${why}${remedies[answer.statusCode] ?? ""}`);
}

const remedies: Readonly<Record<number, string>> = {
  403: "; the chart value packages.push.subjects says who may, and packages.push.enabled whether anybody",
  404: "; --install-namespace and --release say where kubelambda is installed, and packages.push.enabled whether it takes pushes",
};

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

function manifestLines({ digest, zippedBytes, unzippedBytes }: ResolvedPackage, namespace: string): string {
  const size = `${zippedBytes} bytes zipped, ${unzippedBytes} unzipped`;
  return [
    digest,
    "",
    `# ${size}; for namespace ${namespace} alone. In a Function:`,
    "spec:",
    "  code:",
    `    digest: ${digest}`,
    "# In a Layer:",
    "spec:",
    "  content:",
    `    digest: ${digest}`,
    "",
  ].join("\n");
}

function isExpected(error: unknown): error is Error {
  if (error instanceof PackageError || error instanceof NoWayError || error instanceof FolderError) return true;
  // Of the network and the file system.
  return error instanceof Error && ("code" in error || error.message.startsWith("Cannot "));
}

function readArguments(args: readonly string[]): PushArguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        namespace: { type: "string", short: "n" },
        "install-namespace": { type: "string", default: "kubelambda" },
        release: { type: "string", default: "kubelambda" },
        "service-account": { type: "string", default: "default" },
        url: { type: "string" },
        local: { type: "boolean", default: false },
        quiet: { type: "boolean", short: "q", default: false },
      },
    });
    const [path, ...more] = positionals;
    if (path === undefined || more.length > 0) return "Cannot push: want one zip file or folder";
    if (values.url !== undefined && !/^https?:\/\/./.test(values.url))
      return `Cannot push to "${values.url}": want http(s)://host:port`;
    return {
      path,
      namespace: values.namespace,
      installNamespace: values["install-namespace"],
      release: values.release,
      serviceAccount: values["service-account"],
      url: values.url,
      isLocal: values.local,
      isQuiet: values.quiet,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

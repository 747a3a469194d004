/** `kubelambda top`: what functions do now, once or again and again. */
import { parseArgs } from "node:util";
import { sleep, systemClock } from "../../lib/clock.ts";
import { kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { NoWayError } from "./push-way.ts";
import { silentNote, sortKeys, sortRows, topLines, type SortKey } from "./top/table.ts";
import { clusterSource, localSource, type TopSource } from "./top/way.ts";

const usage = `usage: kubelambda top [-n <namespace> | -A] [--sort ${sortKeys.join("|")}] [--json] [--once] [--interval 2]
       [--install-namespace kubelambda] [--release kubelambda]   where kubelambda is installed
       [--service-account default]                               whose token is used by who has a certificate alone
       [--url <url>]                                             straight to a router instead of through the API server
       [--local]                                                 of local mode (default url http://127.0.0.1:4002)`;

interface TopArguments {
  readonly namespace: string | undefined;
  readonly isEverywhere: boolean;
  readonly sort: SortKey;
  readonly isJson: boolean;
  readonly isOnce: boolean;
  readonly intervalMs: number;
  readonly installNamespace: string;
  readonly release: string;
  readonly serviceAccount: string;
  readonly url: string | undefined;
  readonly isLocal: boolean;
}

/** Where the table goes. */
export interface Screen {
  write(text: string): void;
  note(text: string): void;
  /** Lines and columns of a terminal; undefined: it is none, and the table is written once. */
  size(): { readonly rows: number; readonly columns: number } | undefined;
  /** Aborted when the user wants to end. */
  readonly ending: AbortSignal;
}

export async function topMain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());
  const { stdout } = process;
  process.exitCode = await runTop(args, env, {
    write: (text) => void stdout.write(text),
    note: (text) => void process.stderr.write(text),
    size: () => (stdout.isTTY ? { rows: stdout.rows, columns: stdout.columns } : undefined),
    ending: ending.signal,
  });
}

/** Answers with the exit code: 2 for wrong arguments, 1 when nothing could be shown. */
export async function runTop(args: readonly string[], env: NodeJS.ProcessEnv, screen: Screen): Promise<number> {
  const wanted = readArguments(args);
  if (typeof wanted === "string") {
    screen.note(`${wanted}\n${usage}\n`);
    return 2;
  }
  let source: TopSource | undefined;
  try {
    source = await sourceOf(wanted, env);
    if (wanted.isJson || wanted.isOnce || screen.size() === undefined) await showOnce(source, wanted, screen);
    else await showAgain(source, wanted, screen);
    return 0;
  } catch (error) {
    if (!isExpected(error)) throw error;
    screen.note(`${error instanceof NoWayError ? "" : "Cannot show functions: "}${error.message}\n`);
    return 1;
  } finally {
    await source?.close();
  }
}

async function sourceOf(wanted: TopArguments, env: NodeJS.ProcessEnv): Promise<TopSource> {
  const { isEverywhere, isLocal, namespace, url } = wanted;
  if (isLocal) return localSource(url ?? "http://127.0.0.1:4002", isEverywhere ? undefined : namespace);
  const access = await kubeconfigAccess(env["KUBECONFIG"]?.includes(":") === true ? undefined : env["KUBECONFIG"]);
  return clusterSource({ ...wanted, access, namespace: isEverywhere ? undefined : (namespace ?? access.namespace) });
}

async function showOnce(source: TopSource, { isJson, sort, ...wanted }: TopArguments, screen: Screen): Promise<void> {
  const answer = await source.read();
  if (isJson) {
    screen.write(`${JSON.stringify({ ...answer, functions: sortRows(answer.functions, sort) }, undefined, 2)}\n`);
    return;
  }
  const lines = topLines(answer, { sort, showsNamespace: showsNamespace(wanted) });
  screen.write(`${lines.join("\n")}\n`);
  const note = silentNote(answer);
  if (note !== undefined) screen.note(`${note}\n`);
}

const clear = "\u001b[H\u001b[J";
const [hideCursor, showCursor] = ["\u001b[?25l", "\u001b[?25h"];
/** Of the terminal, for what stands around the functions. */
const frameRows = 5;

/** Until the user ends it; what fails meanwhile is shown and tried again. */
async function showAgain(source: TopSource, wanted: TopArguments, screen: Screen): Promise<void> {
  screen.write(hideCursor);
  try {
    while (!screen.ending.aborted) {
      screen.write(`${clear}${(await picture(source, wanted, screen)).join("\n")}\n`);
      await sleep(systemClock, wanted.intervalMs, screen.ending).catch(() => undefined);
    }
  } finally {
    screen.write(showCursor);
  }
}

async function picture(source: TopSource, wanted: TopArguments, screen: Screen): Promise<readonly string[]> {
  const { rows, columns } = screen.size() ?? { rows: 24, columns: 80 };
  try {
    const answer = await source.read();
    const mostRows = Math.max(1, rows - frameRows);
    const lines = topLines(answer, { sort: wanted.sort, showsNamespace: showsNamespace(wanted), mostRows });
    const note = silentNote(answer) ?? "";
    return [...lines, "", note].map((line) => line.slice(0, columns));
  } catch (error) {
    if (!isExpected(error)) throw error;
    return [error.message.slice(0, columns * 3), "", `Trying again every ${wanted.intervalMs / 1000} s`];
  }
}

/** Local mode shows all namespaces unless one is named. */
function showsNamespace({ isEverywhere, isLocal, namespace }: Omit<TopArguments, "isJson" | "sort">): boolean {
  return isEverywhere || (isLocal && namespace === undefined);
}

function isExpected(error: unknown): error is Error {
  return (
    error instanceof NoWayError || (error instanceof Error && ("code" in error || error.message.startsWith("Cannot ")))
  );
}

function readArguments(args: readonly string[]): TopArguments | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        namespace: { type: "string", short: "n" },
        "all-namespaces": { type: "boolean", short: "A", default: false },
        sort: { type: "string", default: "busy" },
        json: { type: "boolean", default: false },
        once: { type: "boolean", default: false },
        interval: { type: "string", default: "2" },
        "install-namespace": { type: "string", default: "kubelambda" },
        release: { type: "string", default: "kubelambda" },
        "service-account": { type: "string", default: "default" },
        url: { type: "string" },
        local: { type: "boolean", default: false },
      },
    });
    const sort = sortKeys.find((key) => key === values.sort);
    const intervalMs = Number(values.interval) * 1000;
    if (sort === undefined) return `Cannot sort by "${values.sort}": want one of ${sortKeys.join(", ")}`;
    if (!(intervalMs >= 500 && intervalMs <= 3_600_000))
      return `Cannot show every "${values.interval}" seconds: want 0.5 to 3600`;
    if (values.namespace !== undefined && values["all-namespaces"])
      return `Cannot show namespace "${values.namespace}" and all: want -n or -A`;
    if (values.url !== undefined && !/^https?:\/\/./.test(values.url))
      return `Cannot ask "${values.url}": want http(s)://host:port`;
    return {
      namespace: values.namespace,
      isEverywhere: values["all-namespaces"],
      ...{ sort, intervalMs },
      isJson: values.json,
      isOnce: values.once,
      installNamespace: values["install-namespace"],
      release: values.release,
      serviceAccount: values["service-account"],
      url: values.url,
      isLocal: values.local,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

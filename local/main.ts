/** `kubelambda local <dir>`: reads its arguments, starts the system, shows the table, ends everything on Ctrl-C. */
import { mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { createLogger } from "../lib/logger.ts";
import { detectIsolation } from "./isolation.ts";
import { startLocalSystem } from "./system.ts";
import { Terminal } from "./terminal.ts";

const defaultPushPort = "4001";
const usage = `usage: kubelambda local <dir> [--port 3001] [--push-port 4001] [--top-port 4002] [--metrics-port 4003] [--host 127.0.0.1]
                        [--account-concurrency 1000] [--file-system <claim>=<folder>]… [--no-namespaces]
                        [--plain-http-registry <host:port>]… [--registry-ca <file.pem>]
                        [--otlp-endpoint <url>] [--verbose]`;
const defaultTopPort = "4002";
const defaultMetricsPort = "4003";
const defaultPort = "3001";

/** Runs until SIGINT or SIGTERM; process.exitCode is 2 for wrong arguments and 1 when it cannot start. */
export async function localMain(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const options = readArguments(args);
  if (typeof options === "string") {
    process.stderr.write(`${options}\n${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const terminal = new Terminal({ write: (text) => process.stdout.write(text), color: process.stdout.isTTY });
  const stateDirectory = await mkdtemp(join(tmpdir(), "kl-"));
  const log = createLogger({ level: options.verbose ? "debug" : "error" });
  try {
    const isolation = await detectIsolation(stateDirectory, { disabled: options.noNamespaces });
    if (isolation.reason !== undefined) {
      terminal.note(`LAMBDA_TASK_ROOT and TMPDIR stand for /var/task and /tmp: ${isolation.reason}`);
    }
    const system = await startLocalSystem({
      folder: options.folder,
      host: options.host,
      port: options.port,
      pushPort: options.pushPort,
      topPort: options.topPort,
      metricsPort: options.metricsPort,
      accountConcurrency: options.accountConcurrency,
      plainHttpRegistries: options.plainHttpRegistries,
      registryCaFile: options.registryCaFile,
      otlpEndpoint: options.otlpEndpoint,
      stateDirectory,
      cacheDirectory: join(env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "kubelambda"),
      isolation,
      fileSystems: options.fileSystems,
      terminal,
      log,
    });
    const at = system.pushPort === Number(defaultPushPort) ? "" : ` --url http://127.0.0.1:${system.pushPort}`;
    terminal.note(`Packages are pushed by: kubelambda push --local${at} <zip or folder>`);
    const seen = system.topPort === Number(defaultTopPort) ? "" : ` --url http://127.0.0.1:${system.topPort}`;
    terminal.note(`What functions do is shown by: kubelambda top --local${seen}`);
    terminal.note(`Metrics are at ${system.metricsUrl}`);
    await untilAskedToEnd();
    terminal.note("Ending …");
    await system.stop();
  } catch (error) {
    process.stderr.write(`Cannot start local mode: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    await rm(stateDirectory, { recursive: true, force: true });
  }
  process.exit();
}

interface LocalArguments {
  readonly folder: string;
  readonly host: string;
  readonly port: number;
  readonly fileSystems: ReadonlyMap<string, string>;
  readonly pushPort: number;
  readonly topPort: number;
  readonly metricsPort: number;
  readonly accountConcurrency: number;
  readonly plainHttpRegistries: readonly string[];
  readonly registryCaFile: string;
  readonly otlpEndpoint: string;
  readonly noNamespaces: boolean;
  readonly verbose: boolean;
}

function readArguments(args: readonly string[]): LocalArguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: "string", default: defaultPort },
        "push-port": { type: "string" },
        "top-port": { type: "string" },
        "metrics-port": { type: "string" },
        "account-concurrency": { type: "string", default: "1000" },
        "plain-http-registry": { type: "string", multiple: true, default: [] },
        "registry-ca": { type: "string", default: "" },
        "otlp-endpoint": { type: "string", default: "" },
        host: { type: "string", default: "127.0.0.1" },
        "file-system": { type: "string", multiple: true, default: [] },
        "no-namespaces": { type: "boolean", default: false },
        verbose: { type: "boolean", default: false },
      },
    });
    const [folder = "."] = positionals;
    const otlpEndpoint = values["otlp-endpoint"];
    if (otlpEndpoint !== "" && !/^https?:\/\/[^/]/.test(otlpEndpoint))
      return `Cannot send spans to "${otlpEndpoint}": want http://<host>:<port> or https://<host>:<port>`;
    const port = Number(values.port);
    // Several at once have ports of their own.
    const pushPort = Number(values["push-port"] ?? (values.port === defaultPort ? defaultPushPort : "0"));
    const topPort = Number(values["top-port"] ?? (values.port === defaultPort ? defaultTopPort : "0"));
    const metricsPort = Number(values["metrics-port"] ?? (values.port === defaultPort ? defaultMetricsPort : "0"));
    const accountConcurrency = Number(values["account-concurrency"]);
    if (!existsSync(folder)) return `Cannot serve "${folder}": no such folder`;
    if (!Number.isInteger(port) || port < 0 || port > 65_535)
      return `Cannot listen on port "${values.port}": want 0 to 65535`;
    const fileSystems = readFileSystems(values["file-system"]);
    if (typeof fileSystems === "string") return fileSystems;
    if (!Number.isInteger(pushPort) || pushPort < 0 || pushPort > 65_535)
      return `Cannot listen on port "${values["push-port"] ?? ""}": want 0 to 65535`;
    if (!Number.isInteger(topPort) || topPort < 0 || topPort > 65_535)
      return `Cannot listen on port "${values["top-port"] ?? ""}": want 0 to 65535`;
    if (!Number.isInteger(metricsPort) || metricsPort < 0 || metricsPort > 65_535)
      return `Cannot listen on port "${values["metrics-port"] ?? ""}": want 0 to 65535`;
    if (!/^\d{1,6}$/.test(values["account-concurrency"]))
      return `Cannot let "${values["account-concurrency"]}" calls run at once: want 0 to 999999`;
    return {
      fileSystems,
      folder: resolve(folder),
      host: values.host,
      port,
      pushPort,
      topPort,
      metricsPort,
      accountConcurrency,
      plainHttpRegistries: values["plain-http-registry"],
      registryCaFile: values["registry-ca"],
      otlpEndpoint,
      noNamespaces: values["no-namespaces"],
      verbose: values.verbose,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Claim → folder; a text says what is wrong. */
function readFileSystems(pairs: readonly string[]): ReadonlyMap<string, string> | string {
  const folderByClaim = new Map<string, string>();
  for (const pair of pairs) {
    const [, claim, folder] = /^([a-z0-9.-]+)=(.+)$/.exec(pair) ?? [];
    if (claim === undefined || folder === undefined)
      return `Cannot take "--file-system ${pair}": want <name of a PersistentVolumeClaim>=<folder>`;
    if (!existsSync(folder)) return `Cannot take "--file-system ${pair}": no such folder`;
    folderByClaim.set(claim, resolve(folder));
  }
  return folderByClaim;
}

function untilAskedToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => resolve());
  });
}

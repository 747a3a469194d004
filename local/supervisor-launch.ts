/** Finds what to execute and says, in the words of Go's os/exec, why it cannot be: Node's own words differ, and its libc runs as a shell script what the kernel refuses. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import type { StartErrorCode, StartProcess } from "../crds/wire/supervisor.ts";
import { wordOfError } from "./supervisor-words.ts";

export interface Launch {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
}

export class StartError extends Error {
  override readonly name = "StartError";
  readonly code: StartErrorCode;

  constructor(code: StartErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Everything a start needs; throws StartError. */
export function prepareLaunch(request: StartProcess, ownEnv: NodeJS.ProcessEnv): Launch {
  const { workingDirectory } = request;
  const env = mergeEnv(ownEnv, { ...fallbackEnv(ownEnv, request.fallbacks), ...request.env });
  const path = findExecutable(request, env["PATH"] ?? "");
  const argv = request.candidates === undefined ? request.argv : [path, ...request.argv.slice(1)];
  try {
    if (!statSync(workingDirectory).isDirectory()) throw errorWithCode("ENOTDIR");
    accessSync(workingDirectory, constants.X_OK);
  } catch (error) {
    throw new StartError("InvalidWorkingDir", `chdir ${workingDirectory}: ${wordOfError(error)}`);
  }
  const texts = [path, ...argv, ...Object.entries(env).flat()];
  try {
    if (texts.some((text) => text.includes("\0"))) throw errorWithCode("EINVAL");
    checkExecutable(resolve(workingDirectory, path));
  } catch (error) {
    throw forkExecError(path, error);
  }
  return { path, argv, env, workingDirectory };
}

export function forkExecError(path: string, error: unknown): StartError {
  return new StartError("InvalidEntrypoint", `fork/exec ${path}: ${wordOfError(error)}`);
}

function findExecutable({ argv, candidates, workingDirectory }: StartProcess, path: string): string {
  if (candidates !== undefined) {
    const found = candidates.find((candidate) => isFile(candidate));
    if (found !== undefined) return found;
    throw new StartError("NoCandidate", `Couldn't find valid bootstrap(s): [${candidates.join(" ")}]`);
  }
  const [name] = argv;
  if (name === undefined) throw new StartError("InvalidEntrypoint", "exec: no command");
  if (name.includes("/")) return name;
  const found = lookPath(name, path, workingDirectory);
  if (found !== undefined) return found;
  throw new StartError("InvalidEntrypoint", `exec: ${JSON.stringify(name)}: executable file not found in $PATH`);
}

/** First executable of that name in a PATH; its relative entries count from `directory`. */
export function lookPath(name: string, path: string, directory: string): string | undefined {
  if (name === "") return undefined;
  return path
    .split(delimiter)
    .map((entry) => resolve(directory, entry, name))
    .find((file) => isFile(file) && isExecutable(file));
}

function mergeEnv(own: NodeJS.ProcessEnv, over: Readonly<Record<string, string>>): Record<string, string> {
  const merged: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !/^(HOME$|KUBERNETES_|KUBELAMBDA_)/.test(name)) merged[name] = value;
  }
  return { ...merged, ...over };
}

/** What nobody else has set, of what belongs together. */
function fallbackEnv(own: NodeJS.ProcessEnv, fallbacks: StartProcess["fallbacks"] = []): Record<string, string> {
  const wanted = fallbacks.filter(({ unless }) => unless.every((name) => own[name] === undefined));
  return Object.assign({}, ...wanted.map(({ env }) => env)) as Record<string, string>;
}

/** Fails with the code with which execve would. */
function checkExecutable(file: string): void {
  if (statSync(file).isDirectory()) throw errorWithCode("EACCES");
  accessSync(file, constants.X_OK);
  const header = readHeader(file);
  if (header === undefined) return;
  if (header.subarray(0, 2).toString() === "#!") {
    const [interpreter = ""] = header.toString("latin1", 2).split("\n")[0]?.trim().split(/[ \t]/) ?? [];
    if (!statSync(interpreter).isFile()) throw errorWithCode("EACCES");
    accessSync(interpreter, constants.X_OK);
    return;
  }
  if (process.platform === "linux" && !isOurElf(header)) throw errorWithCode("ENOEXEC");
}

const headerBytes = 256;

/** undefined where the file may be executed but not read. */
function readHeader(file: string): Buffer | undefined {
  const header = Buffer.alloc(headerBytes);
  try {
    const fd = openSync(file, "r");
    try {
      return header.subarray(0, readSync(fd, header));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** e_machine of what this machine runs: its own and the 32-bit form of it. Source: elf(5). */
const machines: Readonly<Partial<Record<NodeJS.Architecture, readonly number[]>>> = {
  x64: [62, 3],
  arm64: [183, 40],
};

function isOurElf(header: Buffer): boolean {
  if (header.length < 20 || header.toString("latin1", 0, 4) !== "\x7fELF") return false;
  return machines[process.arch]?.includes(header.readUInt16LE(18)) ?? true;
}

function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function errorWithCode(code: string): Error {
  return Object.assign(new Error(code), { code });
}

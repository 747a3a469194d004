/** Where the packages of a served folder are kept between runs: a store has one writer, so each folder has its own. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";

export interface FolderStore {
  readonly directory: string;
  release(): Promise<void>;
}

const answerWithinMs = 2000;
/** Of a socket's path. Source: unix(7), sun_path; macOS has the least, 104 with the byte after it. */
const longestPathBytes = 103;

/**
 * `<cacheDirectory>/folders/<16 hex of the folder's path>/packages`, this process's until it is released or the process has ended.
 * Rejects when another process serves the folder, or the path is too long. Stores of folders that are gone are removed.
 */
export async function claimFolderStore(cacheDirectory: string, folder: string): Promise<FolderStore> {
  const all = join(cacheDirectory, "folders");
  const path = await realpath(folder);
  const own = join(all, createHash("sha256").update(path).digest("hex").slice(0, 16));
  await mkdir(own, { recursive: true, mode: 0o700 });
  const claim = await claimDirectory(own);
  if ("heldBy" in claim)
    throw new Error(`"${folder}" is served by process ${claim.heldBy} already: end that one first`);
  await writeFile(join(own, "folder"), path);
  await removeLost(all);
  return { directory: join(own, "packages"), release: claim.release };
}

type Claim = { readonly release: () => Promise<void> } | { readonly heldBy: string };

/** By a socket that listens: the kernel closes it with the process, however that ends. */
async function claimDirectory(directory: string): Promise<Claim> {
  const path = join(directory, "claim");
  if (Buffer.byteLength(path) > longestPathBytes) {
    const most = `a socket's path has at most ${longestPathBytes} bytes`;
    throw new Error(`"${path}" is too long: ${most}; XDG_CACHE_HOME can name a shorter cache folder`);
  }
  const first = await listen(path);
  if (first !== undefined) return first;
  const heldBy = await askHolder(path);
  if (heldBy !== undefined) return { heldBy };
  await rm(path, { force: true });
  return (await listen(path)) ?? { heldBy: (await askHolder(path)) ?? "unknown" };
}

/** Undefined when there is such a socket already, of a living process or a dead one. */
async function listen(path: string): Promise<{ readonly release: () => Promise<void> } | undefined> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.end(String(process.pid));
  });
  const isFree = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error) => {
      if ("code" in error && error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(path, () => resolve(true));
  });
  if (!isFree) return undefined;
  server.unref();
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** The process id that the holder tells; undefined when nobody listens any more. */
async function askHolder(path: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    let told = "";
    socket.setTimeout(answerWithinMs, () => socket.destroy(new Error("Told nothing")));
    socket.on("data", (chunk) => (told += chunk.toString()));
    socket.once("end", () => resolve(told));
    socket.once("error", (error) =>
      resolve("code" in error && ["ECONNREFUSED", "ENOENT"].includes(String(error.code)) ? undefined : "unknown"),
    );
  });
}

async function removeLost(all: string): Promise<void> {
  for (const name of await readdir(all)) {
    const store = join(all, name);
    const folder = await readFile(join(store, "folder"), "utf8").catch(() => undefined);
    // Without that file another process is just making it.
    if (folder === undefined || existsSync(folder)) continue;
    if ((await askHolder(join(store, "claim"))) === undefined) await rm(store, { recursive: true, force: true });
  }
}

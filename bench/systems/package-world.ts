/** A package store in its own process, and what is brought into it from a server of ours. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { routes } from "../../crds/wire/routes.ts";
import type { ResolveAnswer } from "../../crds/wire/packages.ts";
import { readMetric } from "../../test/kit/node-cache-server.ts";
import { operatorToken } from "../../test/kit/package-store-server.ts";
import type { BenchContext } from "../context.ts";
import type { BenchProcess } from "../process-group.ts";
import { privateBytes } from "../process-usage.ts";
import { bundleProgram } from "./bundle-program.ts";
import type { StoreThere } from "./store-process.ts";
import type { UnpackDone, UnpackOrder } from "./unpack-process.ts";

const sampleMs = 5;
/** As the chart and the operator start them. */
const nodeOptions = ["--max-semi-space-size=1", "--expose-gc"];

interface WorldParts {
  readonly context: BenchContext;
  readonly store: BenchProcess;
  readonly there: StoreThere;
  readonly server: Server;
  /** The bundled program. */
  readonly unpacker: string;
}

export class PackageWorld {
  readonly store: BenchProcess;
  readonly there: StoreThere;
  readonly #context: BenchContext;
  readonly #server: Server;
  readonly #unpacker: string;

  private constructor(parts: WorldParts) {
    ({ context: this.#context, store: this.store, there: this.there, server: this.#server } = parts);
    this.#unpacker = parts.unpacker;
  }

  static async start(context: BenchContext): Promise<PackageWorld> {
    const program = await bundleProgram("store-process", context.folder);
    const unpacker = await bundleProgram("unpack-process", context.folder);
    const store = await context.processes.start({ argv: [process.execPath, ...nodeOptions, program] }, true);
    const there = await store.ready<StoreThere>();
    const server = createServer((request, response) => {
      const path = decodeURIComponent((request.url ?? "").slice(1));
      response.setHeader("content-length", statSync(path).size);
      createReadStream(path).pipe(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new PackageWorld({ context, store, there, server, unpacker });
  }

  /** Brings a file into the store by its url; returns its digest. */
  async bring(path: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    const { port } = this.#server.address() as AddressInfo;
    const source = {
      type: "url",
      url: `http://127.0.0.1:${port}/${encodeURIComponent(path)}`,
      sha256: hash.digest("hex"),
    };
    const response = await fetch(`${this.there.url}${routes.resolve}`, {
      method: "POST",
      headers: { authorization: `Bearer ${operatorToken}` },
      body: JSON.stringify({ namespace: "team-a", use: "code", source }),
      signal: AbortSignal.timeout(300_000),
    });
    const answer = (await response.json()) as ResolveAnswer;
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.package.digest;
  }

  async servedBytes(): Promise<number> {
    return await readMetric(this.there.healthUrl, "kubelambda_packages_served_bytes_total");
  }

  /** Runs the unpacker in a process of its own; `peakBytes` is the most unshared memory that it was seen with. */
  async unpack(order: UnpackOrder): Promise<UnpackDone & { readonly peakBytes: number }> {
    const running = await this.#context.processes.start(
      { argv: [process.execPath, ...nodeOptions, this.#unpacker, JSON.stringify(order)], readyLimitMs: 120_000 },
      true,
    );
    return await withPeak(running.pid, () => running.ready<UnpackDone>());
  }

  async end(): Promise<void> {
    this.#server.close();
    await this.store.end();
  }
}

/** Runs `step`, and looks at the process's memory meanwhile. */
export async function withPeak<T extends object>(
  pid: number,
  step: () => Promise<T>,
): Promise<T & { readonly peakBytes: number }> {
  let peakBytes = 0;
  const timer = setInterval(() => {
    try {
      peakBytes = Math.max(peakBytes, privateBytes(pid));
    } catch {
      // It has just ended.
    }
  }, sampleMs);
  try {
    const done = await step();
    return { ...done, peakBytes };
  } finally {
    clearInterval(timer);
  }
}

/** A folder for what is unpacked: in memory where that is, since the disk is not ours to measure. */
export async function fastFolder(context: BenchContext): Promise<string> {
  const root = existsSync("/dev/shm") ? "/dev/shm" : context.folder;
  return await mkdtemp(join(root, "kl-bench-"));
}

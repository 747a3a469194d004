import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describePackageStore } from "../../test/contract/package-store-suite.ts";
import { everyOrder } from "../../test/kit/interleavings.ts";
import { MemoryBucket } from "../../test/kit/memory-bucket.ts";
import { openBucketStore } from "./bucket-store.ts";
import type { Bucket } from "./bucket.ts";
import type { PackageStore } from "./store.ts";

const content = Buffer.from("a package");
const hex = createHash("sha256").update(content).digest("hex");
const digest = `sha256:${hex}`;
const hourMs = 3_600_000;
const startMs = Date.now();

let directory: string;
let opened = 0;

async function open(bucket: Bucket, cacheBytes = 1_000_000): Promise<PackageStore> {
  return await openBucketStore({
    bucket,
    directory: join(directory, String(++opened)),
    cacheBytes,
    elapsedMs: () => 0,
    id: "bucket",
  });
}

async function put(store: PackageStore, bytes: Buffer = content): Promise<string> {
  const staged = await store.stage();
  await staged.write(bytes);
  try {
    return (await store.commit(staged, { unzippedBytes: 5, extensions: [] })).digest;
  } finally {
    await staged.discard();
  }
}

describe("bucket store", () => {
  before(async () => void (directory = await mkdtemp(join(tmpdir(), "bucket-store-"))));
  after(() => rm(directory, { recursive: true }));

  describePackageStore("bucket in memory", async () => {
    const memory = new MemoryBucket();
    memory.nowMs = Date.now();
    const root = join(directory, `suite-${++opened}`);
    let replicas = 0;
    const reopen = (): Promise<PackageStore> =>
      openBucketStore({
        ...{ bucket: memory.open(), directory: join(root, String(++replicas)), cacheBytes: 10_000_000 },
        elapsedMs: () => performance.now(),
        id: "bucket",
      });
    return {
      store: await reopen(),
      reopen,
      async damage(damaged) {
        const name = damaged.slice("sha256:".length);
        const bytes = Buffer.from(memory.objects.get(`objects/${name}.zip`)?.bytes ?? []);
        bytes[500_000] = "X".charCodeAt(0);
        const kept = { bytes: bytes.length, sha256: "", open: () => bytes };
        await memory.open().put(`objects/${name}.zip`, kept);
        for (let replica = 1; replica <= replicas; replica++)
          await rm(join(root, String(replica), "content", `${name}.zip`), { force: true });
      },
      remove: () => rm(root, { recursive: true, force: true }),
    };
  });

  /** A package that nobody has needed for two hours. */
  async function oldPackage(memory: MemoryBucket): Promise<void> {
    memory.nowMs = startMs - 2 * hourMs;
    const store = await open(memory.open());
    await put(store);
    await store.grant(digest, "team-old", memory.nowMs);
    memory.nowMs = startMs;
  }

  /** What was promised is there, and can be read by another process. */
  async function requireKept(memory: MemoryBucket, isPromised: boolean, order: string): Promise<void> {
    const store = await open(memory.open());
    const isThere = await store.mayRead(digest, "team-new");
    if (isPromised) assert.ok(isThere, order);
    if (!isThere) return;
    const stream = await store.read(digest);
    assert.deepEqual(Buffer.concat(((await stream?.toArray()) ?? []) as Buffer[]), content, order);
  }

  const befores: Record<string, (memory: MemoryBucket) => Promise<void>> = {
    "a package that nobody needs": oldPackage,
    "half a package": async (memory) => {
      await oldPackage(memory);
      memory.objects.delete(`objects/${hex}.json`);
    },
    nothing: () => Promise.resolve(),
  };
  for (const [what, prepare] of Object.entries(befores)) {
    it(`keeps what is granted while another process collects ${what}, in every order of their steps`, async () => {
      const orders = await everyOrder(async () => {
        const memory = new MemoryBucket();
        await prepare(memory);
        memory.nowMs = startMs;
        let isPromised = false;
        const resolving = async (turn: () => Promise<void>): Promise<void> => {
          const store = await open(memory.open(turn));
          if ((await put(store).catch(() => undefined)) === undefined) return;
          isPromised = await store.grant(digest, "team-new", startMs);
        };
        const collecting = async (turn: () => Promise<void>): Promise<void> => {
          await (await open(memory.open(turn))).collect(new Map(), hourMs, startMs);
        };
        const check = (order: string): Promise<void> => requireKept(memory, isPromised, order);
        return { processes: [{ run: resolving }, { run: collecting }], check };
      }, 20_000);
      assert.ok(orders > 10, `only ${orders} orders`);
    }).timeout(240_000);
  }

  it("keeps what is granted after a kill of whoever collects at any step, and the next one removes what is left", async () => {
    for (let step = 1; ; step++) {
      const memory = new MemoryBucket();
      await oldPackage(memory);
      let steps = 0;
      const killed = memory.open(() => (++steps >= step ? Promise.reject(new Error("killed")) : Promise.resolve()));
      const wasKilled = await (await open(killed)).collect(new Map(), hourMs, startMs).then(
        () => false,
        () => true,
      );
      const store = await open(memory.open());
      const committed = await put(store).catch(() => undefined);
      const isPromised = committed !== undefined && (await store.grant(digest, "team-new", startMs));
      await (await open(memory.open())).collect(new Map(), hourMs, startMs);
      await requireKept(memory, isPromised, `step ${step}`);
      memory.nowMs = startMs + 3 * hourMs;
      await (await open(memory.open())).collect(new Map(), hourMs, memory.nowMs);
      assert.deepEqual(
        [...memory.objects.keys()].filter((key) => !key.startsWith("deleting/")),
        [],
        `step ${step}`,
      );
      if (!wasKilled) break;
      assert.ok(step < 100, "the process never ends by itself");
    }
  });

  it("is whole or not there after a kill of whoever commits at any step, and takes it again", async () => {
    for (let step = 1; ; step++) {
      const memory = new MemoryBucket();
      memory.nowMs = startMs;
      let steps = 0;
      const killed = memory.open(() => (++steps >= step ? Promise.reject(new Error("killed")) : Promise.resolve()));
      const store = await open(killed);
      const wasGranted = await put(store)
        .then(() => store.grant(digest, "team-new", startMs))
        .catch(() => undefined);
      await requireKept(memory, wasGranted === true, `step ${step}`);
      const next = await open(memory.open());
      assert.equal(await next.verify(digest), (await next.find(digest)) !== undefined, `step ${step}`);
      await put(next);
      assert.ok(await next.grant(digest, "team-new", startMs), `step ${step}`);
      await requireKept(memory, true, `step ${step}`);
      if (wasGranted !== undefined) break;
      assert.ok(step < 100, "the process never ends by itself");
    }
  });

  it("keeps no more on disk than it may, the latest first, and fetches again what it dropped", async () => {
    const memory = new MemoryBucket();
    const at = join(directory, "bounded");
    const bounded = { bucket: memory.open(), directory: at, id: "bucket", cacheBytes: 250, elapsedMs: () => 0 };
    const store = await openBucketStore(bounded);
    const digests: string[] = [];
    for (const letter of ["a", "b", "c", "d"]) digests.push(await put(store, Buffer.alloc(100, letter)));
    const kept = async (): Promise<string[]> =>
      (await readdir(join(at, "content"))).map((file) => `sha256:${file.slice(0, 64)}`).sort();
    assert.deepEqual(await kept(), digests.slice(2).sort());
    const stream = await store.read(digests[0] ?? "");
    assert.deepEqual(Buffer.concat((await stream?.toArray()) as Buffer[]), Buffer.alloc(100, "a"));
    assert.deepEqual(await kept(), [digests[0], digests[3]].sort());
    assert.deepEqual(await readdir(join(at, "staging")), []);
    await openBucketStore({ ...bounded, cacheBytes: 0 });
    assert.deepEqual(await kept(), []);
  });
});

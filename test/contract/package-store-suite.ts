import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describePackageReader } from "./package-reader-suite.ts";
import type { PackageFacts, PackageStore } from "../../runtime-proxy/packages/store.ts";

/** What the suite needs of an implementation beside the store itself. */
export interface PackageStoreFixture {
  readonly store: PackageStore;
  /** A store on the same bytes, as a new process would open it. */
  reopen(): Promise<PackageStore>;
  /** Changes a byte of what is kept, without the store's knowledge. */
  damage(digest: string): Promise<void>;
  remove(): Promise<void>;
}

const content = Buffer.from("content of a package ".repeat(60_000));
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const digest = digestOf(content);
const missing = `sha256:${"0".repeat(64)}`;
const startMs = Date.now();
const hourMs = 3_600_000;

async function put(store: PackageStore, bytes: Buffer = content): Promise<PackageFacts> {
  const staged = await store.stage();
  for (let at = 0; at < bytes.length; at += 100_000) await staged.write(bytes.subarray(at, at + 100_000));
  return await store.commit(staged, { unzippedBytes: 7, extensions: ["a.sh"] });
}

async function readAll(store: PackageStore): Promise<Buffer | undefined> {
  const stream = await store.read(digest);
  return stream === undefined ? undefined : Buffer.concat((await stream.toArray()) as Buffer[]);
}

const refer = (...namespaces: string[]): Map<string, Set<string>> =>
  new Map(namespaces.map((name) => [name, new Set([digest])]));

/** Holds an implementation to the words of `PackageStore`. */
export function describePackageStore(name: string, create: () => Promise<PackageStoreFixture>): void {
  describePackageReader(name, async () => {
    const fixture = await create();
    const { store } = fixture;
    return {
      reader: store,
      put: async (bytes) => (await put(store, bytes)).digest,
      damage: (damaged) => fixture.damage(damaged),
      lose: async () => {
        await store.collect(new Map(), 0, Date.now() + hourMs);
      },
      afterDamage: "missing",
      remove: () => fixture.remove(),
    };
  });

  describe(`package store: ${name}`, () => {
    let fixture: PackageStoreFixture;
    beforeEach(async () => void (fixture = await create()));
    afterEach(async () => await fixture.remove());

    it("shows nothing of what is staged until it is committed", async () => {
      const { store } = fixture;
      const staged = await store.stage();
      await staged.write(content);
      assert.equal(staged.digest(), digest);
      assert.equal(staged.bytes, content.length);
      assert.equal(await store.find(digest), undefined);
      assert.equal(await store.read(digest), undefined);
      await staged.discard();
      assert.equal(await (await fixture.reopen()).find(digest), undefined);
    });

    it("keeps what is committed, also for the next process", async () => {
      const facts = await put(fixture.store);
      assert.deepEqual(facts, { digest, zippedBytes: content.length, unzippedBytes: 7, extensions: ["a.sh"] });
      for (const store of [fixture.store, await fixture.reopen()]) {
        assert.deepEqual(await store.find(digest), facts);
        assert.deepEqual(await readAll(store), content);
        assert.equal(await store.verify(digest), true);
      }
    });

    it("starts staged content again from nothing", async () => {
      const staged = await fixture.store.stage();
      await staged.write(Buffer.from("something else, and longer than what follows".repeat(50_000)));
      await staged.reset();
      assert.equal(staged.bytes, 0);
      await staged.write(content);
      assert.equal((await fixture.store.commit(staged, { unzippedBytes: 7, extensions: ["a.sh"] })).digest, digest);
      assert.deepEqual(await readAll(fixture.store), content);
    });

    it("takes the same content twice, at the same time too, and keeps who may read it", async () => {
      const { store } = fixture;
      await put(store);
      await store.grant(digest, "team-a", startMs);
      const [one, other] = await Promise.all([put(store), put(store)]);
      assert.deepEqual(one, other);
      assert.equal(await store.mayRead(digest, "team-a"), true);
      assert.deepEqual(await readAll(store), content);
    });

    it("lets a namespace read after it was granted, also for the next process", async () => {
      const { store } = fixture;
      await put(store);
      assert.equal(await store.mayRead(digest, "team-a"), false);
      assert.equal(await store.grant(digest, "team-a", startMs), true);
      assert.equal(await store.mayRead(digest, "team-a"), true);
      assert.equal(await store.mayRead(digest, "team-b"), false);
      assert.equal(await store.mayRead(digest, "constructor"), false);
      assert.equal(await (await fixture.reopen()).mayRead(digest, "team-a"), true);
    });

    it("has nothing to grant, find or verify of what is missing", async () => {
      const { store } = fixture;
      for (const unknown of [missing, "sha256:../../etc/passwd", ""]) {
        assert.equal(await store.grant(unknown, "team-a", startMs), false);
        assert.equal(await store.mayRead(unknown, "team-a"), false);
        assert.equal(await store.find(unknown), undefined);
        assert.equal(await store.verify(unknown), false);
      }
    });

    it("finds damage when asked to verify, and takes the content again", async () => {
      await put(fixture.store);
      await fixture.damage(digest);
      assert.equal(await fixture.store.verify(digest), false);
      assert.equal(await fixture.store.find(digest), undefined);
      await put(fixture.store);
      assert.deepEqual(await readAll(fixture.store), content);
    });

    it("replaces damaged content by the same content brought in again", async () => {
      await put(fixture.store);
      await fixture.damage(digest);
      await put(fixture.store);
      assert.deepEqual(await readAll(fixture.store), content);
    });

    interface CollectCase {
      readonly references: Map<string, Set<string>>;
      readonly afterMs: number;
      readonly isKept: boolean;
      readonly readers: readonly string[];
      /** Default: nothing. */
      readonly missing?: Record<string, readonly string[]>;
    }
    const collects: Record<string, CollectCase> = {
      "keeps what both refer to": {
        references: refer("team-a", "team-b"),
        afterMs: 10 * hourMs,
        isKept: true,
        readers: ["team-a", "team-b"],
      },
      "lets a namespace that no longer refers to it read no more": {
        references: refer("team-b"),
        afterMs: 10 * hourMs,
        isKept: true,
        readers: ["team-b"],
      },
      "keeps for the grace what nobody refers to": {
        references: refer(),
        afterMs: hourMs - 1000,
        isKept: true,
        readers: ["team-a", "team-b"],
      },
      "removes what nobody refers to after the grace": {
        references: refer(),
        afterMs: 2 * hourMs,
        isKept: false,
        readers: [],
      },
      "removes what only a namespace without right refers to": {
        references: refer("team-c"),
        afterMs: 2 * hourMs,
        isKept: false,
        readers: [],
        missing: { "team-c": [digest] },
      },
    };
    for (const [what, { references, afterMs, isKept, readers, missing }] of Object.entries(collects)) {
      it(`collecting ${what}`, async () => {
        const { store } = fixture;
        await put(store);
        for (const namespace of ["team-a", "team-b"]) await store.grant(digest, namespace, startMs);
        const report = await store.collect(references, hourMs, startMs + afterMs);
        assert.deepEqual(report, {
          removed: isKept ? 0 : 1,
          removedBytes: isKept ? 0 : content.length,
          kept: isKept ? 1 : 0,
          missing: missing ?? {},
        });
        for (const each of [store, await fixture.reopen()]) {
          assert.equal((await each.find(digest)) !== undefined, isKept);
          for (const namespace of ["team-a", "team-b", "team-c"]) {
            assert.equal(await each.mayRead(digest, namespace), readers.includes(namespace), namespace);
          }
        }
      });
    }

    it("says which of what is needed cannot be read, by whom", async () => {
      const { store } = fixture;
      await put(store);
      await store.grant(digest, "team-a", startMs);
      const { missing: found } = await store.collect(
        new Map([
          ["team-a", new Set([digest, missing])],
          ["team-b", new Set([digest])],
        ]),
        hourMs,
        startMs,
      );
      assert.deepEqual(found, { "team-a": [missing], "team-b": [digest] });
    });

    it("has a name that the next process has too", async () => {
      assert.notEqual(fixture.store.id, "");
      assert.equal((await fixture.reopen()).id, fixture.store.id);
    });

    it("collects nothing that was committed just now and has no reader yet", async () => {
      await put(fixture.store);
      assert.equal((await fixture.store.collect(new Map(), hourMs, Date.now())).kept, 1);
    });

    it("removes only what is unused of many", async () => {
      const { store } = fixture;
      const others = await Promise.all([1, 2, 3].map((n) => put(store, Buffer.from(`package ${n}`))));
      await put(store);
      for (const each of [...others.map((facts) => facts.digest), digest]) await store.grant(each, "team-a", startMs);
      assert.deepEqual(await store.collect(refer("team-a"), hourMs, startMs + 2 * hourMs), {
        removed: 3,
        removedBytes: 27,
        kept: 1,
        missing: {},
      });
    });
  });
}

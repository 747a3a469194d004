import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { PartialPushes, type PushPart } from "./partial-pushes.ts";

const dayMs = 86_400_000;
const name = { namespace: "team", digest: `sha256:${"a".repeat(64)}` };
const stop = (): void => assert.fail("nobody sends it anew");

describe("PartialPushes", () => {
  let directory: string;
  let nowMs: number;
  let partials: PartialPushes;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "partial-"));
    nowMs = Date.now();
    partials = opened();
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** As another process finds it. */
  function opened(): PartialPushes {
    return new PartialPushes(join(directory, "partial"), () => nowMs);
  }

  async function* broken(text: string): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.from(text));
    throw new Error("cut");
  }

  async function* whole(text: string): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.from(text));
  }

  async function receive(part: Partial<PushPart>, body: AsyncIterable<Buffer>): Promise<string | undefined> {
    const received = await partials.receive({ ...name, offset: 0, ...part }, body, stop);
    return received.isWhole ? await readFile(received.path, "utf8") : undefined;
  }

  it("goes on where it was cut, also in another process", async () => {
    await assert.rejects(receive({ totalBytes: 8 }, broken("half")), /cut/);
    partials = opened();
    assert.equal(await partials.receivedBytes(name), 4);
    assert.equal(await receive({ offset: 4, totalBytes: 8 }, whole("-end")), "half-end");
    await partials.remove(name);
    assert.equal(await partials.receivedBytes(name), 0);
  });

  it("comes to what was sent, however often it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" })), async (pieces) => {
        await partials.remove(name);
        const text = `${pieces.join("")}end`;
        for (const piece of pieces) {
          const offset = await partials.receivedBytes(name);
          await assert.rejects(receive({ offset, totalBytes: text.length }, broken(piece)), /cut/);
          partials = opened();
        }
        const offset = await partials.receivedBytes(name);
        assert.equal(await receive({ offset, totalBytes: text.length }, whole("end")), text);
      }),
      { numRuns: 30 },
    );
  });

  it("takes nothing at another place than its end, and begins anew at 0", async () => {
    await assert.rejects(receive({ totalBytes: 8 }, broken("half")), /cut/);
    for (const offset of [3, 5]) assert.equal(await receive({ offset, totalBytes: 8 }, whole("x")), undefined);
    assert.equal(await partials.receivedBytes(name), 4);
    assert.equal(await receive({ totalBytes: 3 }, whole("new")), "new");
  });

  it("refuses more than was announced, and does not take less for the whole", async () => {
    await assert.rejects(receive({ totalBytes: 3 }, whole("four")), { code: "CodeTooLarge" });
    await assert.rejects(receive({ totalBytes: 9 }, whole("four")), { code: "FetchFailed" });
    assert.equal(await receive({}, whole("of unknown length")), "of unknown length");
  });

  it("keeps namespaces and digests apart", async () => {
    await assert.rejects(receive({ totalBytes: 8 }, broken("half")), /cut/);
    assert.equal(await partials.receivedBytes({ ...name, namespace: "other" }), 0);
    assert.equal(await partials.receivedBytes({ ...name, digest: `sha256:${"b".repeat(64)}` }), 0);
    const strange = { namespace: "../../x", digest: "/etc" };
    await assert.rejects(receive({ ...strange, totalBytes: 8 }, broken("half")), /cut/);
    assert.deepEqual(await readdir(directory), ["partial"]);
  });

  it("lets who comes later take the place of one whose connection is dead", async () => {
    const dead = new PassThrough();
    const part = { ...name, offset: 0, totalBytes: 4 };
    const former = partials.receive(part, dead, (reason) => void dead.destroy(reason));
    await new Promise((resolve) => dead.write("x", resolve));
    const [ended, received] = await Promise.allSettled([former, partials.receive(part, whole("four"), stop)]);
    assert.match(String(ended.status === "rejected" && ended.reason), /it is being sent anew/);
    assert.ok(received.status === "fulfilled" && received.value.isWhole);
    assert.equal(await readFile(received.value.path, "utf8"), "four");
  });

  it("gives up what nobody went on with for a day", async () => {
    await assert.rejects(receive({ totalBytes: 8 }, broken("half")), /cut/);
    const [file = ""] = await readdir(join(directory, "partial"));
    const before = new Date(nowMs - dayMs - 1000);
    await utimes(join(directory, "partial", file), before, before);
    await receive({ namespace: "other" }, whole("x"));
    assert.equal(await partials.receivedBytes(name), 0);
  });
});

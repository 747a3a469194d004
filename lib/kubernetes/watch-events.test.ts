import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { readWatchEvents } from "./watch-events.ts";

async function read(...chunks: (string | Buffer)[]): Promise<string[]> {
  const seen: string[] = [];
  async function* body(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
  }
  for await (const event of readWatchEvents("watch things", body())) {
    seen.push(
      event.type === "BOOKMARK" ? `BOOKMARK ${event.resourceVersion}` : `${event.type} ${event.object.metadata.name}`,
    );
  }
  return seen;
}

const line = (type: string, name: string): string => `${JSON.stringify({ type, object: { metadata: { name } } })}\n`;

describe("readWatchEvents", () => {
  it("reads events however the bytes are cut, also inside a character", async () => {
    const bytes = Buffer.from(line("ADDED", "ä") + line("DELETED", "b") + line("MODIFIED", "c"));
    const want = ["ADDED ä", "DELETED b", "MODIFIED c"];
    for (let size = 1; size < bytes.length; size += 3) {
      const chunks = [];
      for (let from = 0; from < bytes.length; from += size) chunks.push(bytes.subarray(from, from + size));
      assert.deepEqual(await read(...chunks), want, `chunks of ${size} bytes`);
    }
  });

  it("reads bookmarks", async () => {
    const bookmark = { type: "BOOKMARK", object: { metadata: { resourceVersion: "7" } } };
    assert.deepEqual(await read(`${JSON.stringify(bookmark)}\n`), ["BOOKMARK 7"]);
  });

  it("throws what an error event stands for", async () => {
    const object = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
    const failed = read(line("ADDED", "a"), `${JSON.stringify({ type: "ERROR", object })}\n`);
    await assert.rejects(failed, { code: "Gone", message: "Cannot watch things: too old" });
  });

  it("refuses an event type that it does not know, and a line without end", async () => {
    await assert.rejects(read(line("RENAMED", "a")), { code: "Internal", message: /"RENAMED"/ });
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    await assert.rejects(read(...Array.from({ length: 17 }, () => chunk)), { code: "TooLarge" });
  });

  it("does not take a cut line for an event", async () => {
    assert.deepEqual(await read(line("ADDED", "a"), line("ADDED", "b").slice(0, 12)), ["ADDED a"]);
  });
});

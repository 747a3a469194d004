import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { frameKinds } from "../crds/wire/supervisor.ts";
import { encodeFrame, FrameReader } from "../lib/frames.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { SupervisorClient } from "./supervisor-client.ts";

describe("SupervisorClient", () => {
  const directory = mkdtempSync(join(tmpdir(), "supervisor-client-"));
  const server = createServer();
  let clock: ManualClock;
  let client: SupervisorClient;
  let supervisor: Socket;
  let chunks: string[][];

  before(() => new Promise<void>((resolve) => server.listen(join(directory, "socket"), resolve)));
  beforeEach(async () => {
    clock = new ManualClock();
    chunks = [];
    const agentEnd = connect(join(directory, "socket"));
    [supervisor] = (await once(server, "connection")) as [Socket];
    const reader = new FrameReader();
    supervisor.on("data", (chunk) =>
      chunks.push(reader.push(chunk).map(({ kind, payload }) => `${kind}:${payload.toString()}`)),
    );
    const ignored = () => undefined;
    client = new SupervisorClient(agentEnd, { onOutput: ignored, onExit: ignored, onLost: ignored }, clock);
  });
  afterEach(() => supervisor.destroy());
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  /** Pieces that have come in, and within them frames. */
  async function arrived(count: number): Promise<readonly (readonly string[])[]> {
    for (let turn = 0; turn < 100 && chunks.flat().length < count; turn += 1)
      await new Promise((resolve) => setTimeout(resolve, 5));
    return chunks;
  }
  const line = (text: string): string => `${frameKinds.write}:${text}`;

  it("holds a line that nobody waits for until another goes out, and sends both in one piece, in order", async () => {
    client.write("END\n", "soon");
    client.write("REPORT\n", "soon");
    client.write("START\n");
    assert.deepEqual(await arrived(3), [["END\n", "REPORT\n", "START\n"].map(line)]);
    // Nothing is left for the timer.
    clock.advance(5);
    client.write("later\n");
    assert.deepEqual((await arrived(4)).flat().length, 4);
  });

  it("sends a held line after 5 ms, also when nothing follows it", async () => {
    client.write("END\n", "soon");
    clock.advance(4);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.deepEqual(chunks, []);
    clock.advance(1);
    assert.deepEqual(await arrived(1), [[line("END\n")]]);
    client.write("END 2\n", "soon");
    clock.advance(5);
    assert.deepEqual(await arrived(2), [[line("END\n")], [line("END 2\n")]]);
  });

  /** Settled since the last look, by name. */
  function watch(flushes: Readonly<Record<string, Promise<unknown>>>): () => Promise<unknown> {
    let settled: Record<string, unknown> = {};
    for (const [name, flush] of Object.entries(flushes))
      void flush.then((reading) => (settled = { ...settled, [name]: reading }));
    return async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const seen = settled;
      settled = {};
      return seen;
    };
  }
  const answer = (id: number, peakBytes: number): unknown =>
    supervisor.write(encodeFrame(frameKinds.flush, { id, peakBytes, currentBytes: 1 }));
  const nothing = { peakBytes: 0, currentBytes: 0 };

  it("waits a second for the answer to a flush, each for its own, and knows no memory without one", async () => {
    const first = client.flush();
    clock.advance(600);
    const second = client.flush();
    const look = watch({ first, second });
    clock.advance(399);
    assert.deepEqual(await look(), {});
    clock.advance(1);
    assert.deepEqual(await look(), { first: nothing });
    clock.advance(599);
    assert.deepEqual(await look(), {});
    clock.advance(1);
    assert.deepEqual(await look(), { second: nothing });
  });

  it("gives each flush the answer of its number, whatever comes late or twice", async () => {
    const first = client.flush();
    clock.advance(1000);
    assert.deepEqual(await first, nothing);
    const [second, third] = [client.flush(), client.flush()];
    for (const [id, peakBytes] of [
      [1, 10],
      [3, 30],
      [3, 31],
      [2, 20],
    ] as const)
      answer(id, peakBytes);
    assert.deepEqual(
      (await Promise.all([second, third])).map(({ peakBytes }) => peakBytes),
      [20, 30],
    );
  });

  it("ends a flush when the supervisor goes", async () => {
    const flush = client.flush();
    supervisor.destroy();
    assert.deepEqual(await flush, nothing);
  });
});

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { frameKinds } from "../crds/wire/supervisor.ts";
import { FrameReader } from "../lib/frames.ts";
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
});

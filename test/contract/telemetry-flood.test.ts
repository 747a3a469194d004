/** What a telemetry subscriber costs that takes nothing of 100 MB. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import type { PlatformRecords } from "../../runtime-proxy/domain/platform-event.ts";
import { ManualClock } from "../kit/manual-clock.ts";
import { listenHttp, listenTcp, type TelemetryListener } from "../kit/telemetry-listener.ts";
import { startTelemetry, type TelemetryWorld } from "../kit/telemetry-world.ts";

type DroppedRecord = PlatformRecords["platform.logsDropped"];
const own = { kind: "function" } as const;

/** Lets what has arrived be read. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("Telemetry API, flooded", () => {
  let world: TelemetryWorld;
  const listeners: TelemetryListener[] = [];

  afterEach(async () => {
    await world.stop();
    await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
  });

  async function heardBy<T extends TelemetryListener>(listening: Promise<T>): Promise<T> {
    const listener = await listening;
    listeners.push(listener);
    return listener;
  }

  for (const [protocol, listening] of [
    ["HTTP", (held: ServerResponse[]) => listenHttp((response) => void held.push(response))],
    ["TCP", () => listenTcp((socket) => socket.pause())],
  ] as const) {
    it(`telemetry-api 18: 100 MB for a ${protocol} listener that takes nothing cost little, and it is told`, async () => {
      const clock = new ManualClock();
      world = await startTelemetry({ logFormat: "Text" }, clock);
      const held: ServerResponse[] = [];
      const silent = await heardBy(listening(held));
      const uri = `http://sandbox.localdomain:${silent.port}`;
      const destination = protocol === "TCP" ? { protocol, port: silent.port } : { protocol, URI: uri };
      await world.subscribe(silent, { destination });
      world.log.close();
      const chunk = Buffer.from(`${"x".repeat(99)}\n`.repeat(655));
      for (let bytes = 0; bytes < 100_000_000; bytes += chunk.length) {
        world.log.output(own, 1, chunk);
        if (bytes % (100 * chunk.length) === 0) await turn();
        assert.ok(world.log.heldBytes < 3 * 1024 * 1024);
      }
      await silent.stop();
      const listener = await heardBy(
        protocol === "TCP" ? listenTcp(undefined, silent.port) : listenHttp(undefined, silent.port),
      );
      for (let n = 0; n < 1_000 && world.log.heldBytes > 0; n += 1) {
        clock.advance(100);
        await turn();
      }
      const told = (): DroppedRecord[] =>
        listener.heard.of("platform.logsDropped").map(({ record }) => record as DroppedRecord);
      // By TCP, gaps of which the first connection was told are lost with what its kernel kept.
      await listener.heard.until(() => told().some(({ droppedRecords }) => droppedRecords > 500_000));
      for (const { reason, droppedRecords, droppedBytes } of told()) {
        assert.match(reason, /slower than the logs production rate$/);
        assert.ok(Number.isInteger(droppedRecords) && droppedBytes === droppedRecords * 100, String(droppedRecords));
      }
    });
  }
});

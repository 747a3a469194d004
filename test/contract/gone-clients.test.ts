/** Clients that go away while something is held for them: it is held no more, whatever their calls wait for. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "mocha";
import { waitUntil } from "../cluster/wait-until.ts";
import { readMetric } from "../kit/read-metric.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

const bodyBytes = 500_000;
const invocation = "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: x\r\n";

describe("clients that are gone", () => {
  let world: RouterWorld;
  let agent: ScriptedAgent;
  /** The router's ends of its clients' connections. */
  let accepted: Socket[];
  const onAccepted = (message: unknown): void => void accepted.push((message as { readonly socket: Socket }).socket);

  beforeEach(async () => {
    world = new RouterWorld();
    await world.startRouter({
      KUBELAMBDA_BODY_MEMORY_BYTES: bodyBytes,
      KUBELAMBDA_BODY_TIMEOUT_MS: 600_000,
      KUBELAMBDA_BODY_WAIT_MS: 600_000,
    });
    agent = await world.addEnvironment(await world.addFunction({ name: "hello" }));
    accepted = [];
    subscribe("net.server.socket", onAccepted);
  });
  afterEach(async () => {
    unsubscribe("net.server.socket", onAccepted);
    await world.close();
  });

  async function send(text: string): Promise<{ readonly client: Socket; readonly end: Socket }> {
    const client = connect(world.router.invokePort, "127.0.0.1").on("error", () => undefined);
    await once(client, "connect");
    client.write(text);
    const isEnd = (socket: Socket): boolean => socket.remotePort === client.localPort;
    const what = "the router to accept a connection";
    const end = await waitUntil({ what, timeoutMs: 5000, everyMs: 5 }, () => accepted.find(isEnd));
    return { client, end };
  }

  async function goAway({ client, end }: { readonly client: Socket; readonly end: Socket }): Promise<void> {
    const closed = new Promise((resolve) => end.once("close", resolve));
    // In order it could still want its answer.
    client.resetAndDestroy();
    await closed;
  }

  async function metric(name: string, wanted: number): Promise<void> {
    const probe = async (): Promise<true> => {
      const seen = await readMetric(world.router.healthPort, `kubelambda_router_${name}`);
      if (seen !== wanted) throw new Error(`it is ${seen}`);
      return true;
    };
    await waitUntil({ what: `metric "${name}" to be ${wanted}`, timeoutMs: 5000, everyMs: 5 }, probe);
  }

  for (const [how, more] of Object.entries({ "": "", ", in the long way": "Expect: 100-continue\r\n" })) {
    it(`while their bodies wait for room, take none${how}`, async () => {
      const begun = `${invocation}${more}Content-Length: ${bodyBytes}\r\n\r\n"`;
      const first = await send(begun);
      await metric("body_memory_bytes", bodyBytes);
      const second = await send(begun);
      await metric("waiting_bodies", 1);
      await goAway(second);
      await goAway(first);
      await metric("body_memory_bytes", 0);
      assert.equal(agent.calls.length, 0);
    });
  }
});

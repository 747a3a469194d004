/** Who takes nothing of an answer is cut off, so that nobody holds it for long; who takes little by little gets all of it. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { after, afterEach, before, describe, it } from "mocha";
import { createAuthority, issueCertificate } from "../cluster/pki.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { readMetric } from "../kit/read-metric.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";

const answerBytes = 6_000_000;
/** What a slow client takes at once. The kernel tells the router of it only when a third of what it holds itself is gone, some hundred KB. */
const pauseBytes = 200_000;
const urlId = "0123456789abcdefghijklmnopqrstuv";
const invocation = "/2015-03-31/functions/hello/invocations";
const streamed = "/2021-11-15/functions/hello/response-streaming-invocations";
const head = (path: string, more = ""): string =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n${more}\r\n`;

/** What a client sends, and how many answers it would have. */
const requests: Record<string, { readonly text: string; readonly answers: number }> = {
  "an Invoke": { text: head(invocation), answers: 1 },
  "an Invoke that is its connection's last": { text: head(invocation, "Connection: close\r\n"), answers: 1 },
  "Invokes in a row": { text: head(invocation).repeat(3), answers: 3 },
  "an Invoke in the long way": { text: head(invocation, "Expect: 100-continue\r\n"), answers: 1 },
  "a call of a function URL": { text: head(`/lambda-url/${urlId}/`), answers: 1 },
  "calls of a function URL in a row": { text: head(`/lambda-url/${urlId}/`).repeat(3), answers: 3 },
  "a streaming Invoke of a function that does not stream": { text: head(streamed), answers: 1 },
};

describe("clients that are slow to take an answer", function () {
  this.timeout(20_000);
  let world: RouterWorld;
  let agent: ScriptedAgent;
  let folder: string;
  /** The router's ends of its clients' connections. */
  let accepted: Socket[];
  const onAccepted = (message: unknown): void => void accepted.push((message as { readonly socket: Socket }).socket);

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "slow-clients-"));
    const authority = await createAuthority(folder, "authority");
    const wanted = { name: "router", subject: "/CN=router", subjectAltNames: "IP:127.0.0.1" };
    const { certFile, keyFile } = await issueCertificate(folder, authority, wanted);
    await copyFile(certFile, join(folder, "tls.crt"));
    await copyFile(keyFile, join(folder, "tls.key"));
    world = new RouterWorld();
    await world.startRouter({
      KUBELAMBDA_ANSWER_STALL_MS: 500,
      KUBELAMBDA_TLS_DIRECTORY: folder,
      KUBELAMBDA_TLS_PORT: 0,
    });
    const hello = await world.addFunction({
      name: "hello",
      spec: { functionURLConfig: { authType: "NONE", invokeMode: "BUFFERED" } } as never,
      status: { functionURL: `https://${urlId}.example.org/` },
    });
    agent = await world.addEnvironment(hello);
    agent.script = () => ({ body: JSON.stringify("x".repeat(answerBytes - 2)) });
    accepted = [];
    subscribe("net.server.socket", onAccepted);
  });
  after(async () => {
    unsubscribe("net.server.socket", onAccepted);
    await world.close();
    await rm(folder, { recursive: true, force: true });
  });

  afterEach(async () => {
    const what = "memory for answers to be free";
    await waitUntil({ what, timeoutMs: 5000, everyMs: 5 }, async () => {
      const bytes = await readMetric(world.router.healthPort, "kubelambda_router_answer_memory_bytes");
      if (bytes !== 0) throw new Error(`${bytes} bytes are held`);
      return true;
    });
  });

  const dial = {
    plainly: () => connect(world.router.invokePort, "127.0.0.1"),
    "over TLS": () => connectTls({ port: world.router.tlsPort ?? 0, host: "127.0.0.1", rejectUnauthorized: false }),
  };

  /** The router's end of a client's connection. */
  async function otherEnd(client: Socket): Promise<Socket> {
    for (;;) {
      const found = accepted.find(({ remotePort }) => remotePort === client.localPort);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  for (const [how, connectTo] of Object.entries(dial)) {
    for (const [what, { text: sent, answers }] of Object.entries(requests)) {
      it(`${what}, ${how}: who takes nothing is cut off`, async () => {
        const client = connectTo().pause();
        client.on("error", () => undefined);
        await once(client, how === "plainly" ? "connect" : "secureConnect");
        const server = await otherEnd(client);
        client.write(sent);
        if (!server.destroyed) await once(server, "close");
        let bytes = 0;
        client.on("data", (chunk: Buffer) => (bytes += chunk.length)).resume();
        if (!client.closed) await new Promise((resolve) => client.once("close", resolve));
        assert.ok(bytes < answers * answerBytes, `${bytes} bytes came`);
      });
    }

    it(`${how}: behind an answer that is not taken no other call is begun`, async () => {
      const client = connectTo().pause();
      client.on("error", () => undefined);
      await once(client, how === "plainly" ? "connect" : "secureConnect");
      const server = await otherEnd(client);
      agent.calls.length = 0;
      client.write(head(invocation));
      while (agent.calls.length === 0 || server.bytesWritten < answerBytes)
        await new Promise((resolve) => setTimeout(resolve, 5));
      client.write(head(invocation));
      if (!server.destroyed) await new Promise((resolve) => server.once("close", resolve));
      assert.equal(agent.calls.length, 1);
      client.destroy();
    });

    it(`${how}: who takes little by little gets all, and the next answer too`, async () => {
      const client = connectTo();
      client.write(head(invocation) + head(invocation, "Connection: close\r\n"));
      let bytes = 0;
      for await (const chunk of client as AsyncIterable<Buffer>) {
        const before = bytes;
        bytes += chunk.length;
        if (Math.trunc(bytes / pauseBytes) === Math.trunc(before / pauseBytes)) continue;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      assert.ok(bytes > 2 * answerBytes, `${bytes} bytes came`);
    });
  }
});

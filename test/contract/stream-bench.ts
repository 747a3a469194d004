/** A bench of InvokeWithResponseStream: the AWS SDK as client, a router on real sockets, scripted agents as environments. */
import assert from "node:assert/strict";
import {
  InvokeWithResponseStreamCommand,
  LambdaClient,
  type InvokeWithResponseStreamCommandInput,
  type InvokeWithResponseStreamCompleteEvent,
} from "@aws-sdk/client-lambda";
import { EventStreamCodec } from "@smithy/core/event-streams";
import { request, type Dispatcher } from "undici";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { RouterWorld } from "../kit/router-world.ts";
import type { Script, ScriptedAgent, ScriptedStream } from "../kit/scripted-agent.ts";

/** What a client of the stream has seen of it, in order. */
export interface SeenStream {
  readonly chunks: string[];
  readonly completions: InvokeWithResponseStreamCompleteEvent[];
  readonly last: "PayloadChunk" | "InvokeComplete" | undefined;
}

export const streamPath = "/2021-11-15/functions/hello/response-streaming-invocations";

export class StreamBench {
  readonly world: RouterWorld;
  readonly hello: Stored<FunctionObject>;
  /** The one environment of "hello", ready. */
  readonly agent: ScriptedAgent;
  readonly sdk: LambdaClient;

  private constructor(world: RouterWorld, hello: Stored<FunctionObject>, agent: ScriptedAgent) {
    this.world = world;
    this.hello = hello;
    this.agent = agent;
    this.sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
  }

  static async start(routers = 1): Promise<StreamBench> {
    const world = new RouterWorld();
    await world.startRouters(routers);
    const hello = await world.addFunction({ name: "hello" });
    return new StreamBench(world, hello, await world.addEnvironment(hello));
  }

  async stop(): Promise<void> {
    this.sdk.destroy();
    await this.world.close();
  }

  /** A stream as the SDK shows it. */
  async stream(input: Partial<InvokeWithResponseStreamCommandInput> = {}): Promise<SeenStream> {
    const answer = await this.sdk.send(new InvokeWithResponseStreamCommand({ FunctionName: "hello", ...input }));
    assert.equal(answer.StatusCode, 200);
    assert.equal(answer.ExecutedVersion, "$LATEST");
    assert.equal(answer.ResponseStreamContentType, "application/vnd.amazon.eventstream");
    const seen = { chunks: [] as string[], completions: [] as InvokeWithResponseStreamCompleteEvent[] };
    let last: SeenStream["last"];
    for await (const { PayloadChunk, InvokeComplete } of answer.EventStream ?? []) {
      if (PayloadChunk !== undefined) seen.chunks.push(Buffer.from(PayloadChunk.Payload ?? []).toString());
      if (InvokeComplete !== undefined) seen.completions.push(InvokeComplete);
      last = PayloadChunk === undefined ? "InvokeComplete" : "PayloadChunk";
    }
    return { ...seen, last };
  }

  /** The answer as raw HTTP, unread. */
  async open(signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    return await request(`http://127.0.0.1:${this.world.router.invokePort}${streamPath}`, {
      method: "POST",
      body: '{"a":1}',
      ...(signal !== undefined && { signal }),
    });
  }
}

export function streams(chunks: ScriptedStream["chunks"], rest: Partial<ScriptedStream> = {}): Script {
  return () => ({ chunks, ...rest });
}

/** An endless stream that counts what the agent could write. */
export function endless(): {
  stream: ScriptedStream;
  written: () => number;
  stop: () => void;
  ended: Promise<unknown>;
} {
  let [bytes, isStopped] = [0, false];
  const ended = Promise.withResolvers<undefined>();
  const stop = (): void => {
    isStopped = true;
  };
  const chunks = (async function* () {
    while (!isStopped) {
      bytes += 65_536;
      yield Buffer.alloc(65_536, "x");
      await new Promise((resolve) => setImmediate(resolve));
    }
    ended.resolve(undefined);
  })();
  return { stream: { chunks }, written: () => bytes, stop, ended: ended.promise };
}

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString(),
  (text) => Buffer.from(text),
);

/** Takes messages apart with the SDK's decoder, which checks both checksums. */
export function decode(bytes: Buffer): { headers: Record<string, unknown>; payload: string; bytes: Buffer }[] {
  const messages = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const { headers, body } = codec.decode(bytes.subarray(at, at + bytes.readUInt32BE(at)));
    const values = Object.entries(headers).map(([name, { value }]) => [name, value]);
    messages.push({
      headers: Object.fromEntries(values) as Record<string, unknown>,
      payload: Buffer.from(body).toString(),
      bytes: Buffer.from(body),
    });
  }
  return messages;
}

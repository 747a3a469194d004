/** Bodies whose signature proves nothing before they have been read: counted from their first byte, and for nobody's share until they are proven. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { AccessKeyStore } from "../../operator/access-keys.ts";
import type { RouterConfig } from "../../runtime-proxy/router.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { readMetric } from "../kit/read-metric.ts";
import { RouterWorld, type HttpAnswer } from "../kit/router-world.ts";
import type { ScriptedAgent } from "../kit/scripted-agent.ts";
import { signCall } from "../kit/signed-request.ts";

const limitBytes = 1_000_000;
const urlId = "0123456789abcdefghijklmnopqrstuv";
const accessReviews = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/** JSON of so many bytes: more than comes in one piece. */
const event = (bytes: number): Buffer => Buffer.from(JSON.stringify("x".repeat(bytes - 2)));

describe("bodies of signatures that wait for them", () => {
  let world: RouterWorld;
  let agent: ScriptedAgent;
  let key: { accessKeyId: string; secretAccessKey: string };
  /** What the API server says of who may call. */
  let review: () => Promise<{ status: { allowed: boolean } }>;
  let sockets: Socket[];

  beforeEach(() => {
    sockets = [];
    review = () => Promise.resolve({ status: { allowed: true } });
    world = new RouterWorld((store) => withReviews(store, () => review()));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await world.close();
  });

  async function start(changes: Partial<RouterConfig> = {}): Promise<void> {
    await world.store.create({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "ci", namespace: "team" },
    });
    const keys = new AccessKeyStore(world.store, "kubelambda", "kubelambda-access-keys");
    key = await keys.create({ serviceAccount: "team/ci", nowMs: Date.now() });
    await world.startRouter({
      KUBELAMBDA_AUTH_MODE: "required",
      KUBELAMBDA_BODY_MEMORY_BYTES: limitBytes,
      KUBELAMBDA_BODY_WAIT_MS: 100,
      ...changes,
    });
    const hello = await world.addFunction({
      ...{ name: "hello", namespace: "team" },
      spec: { functionURLConfig: { authType: "AWS_IAM", invokeMode: "BUFFERED" } } as never,
      status: { functionURL: `https://${urlId}.example.org/` },
    });
    agent = await world.addEnvironment(hello);
    agent.script = () => ({ body: '"done"' });
  }

  const invocation = (name = "hello"): string => `/2015-03-31/functions/${name}/invocations`;
  const address = (path: string): URL => new URL(`http://127.0.0.1:${world.router.invokePort}${path}`);

  async function send(
    body: Buffer,
    { path = invocation(), saysHash = false, headers = {} } = {},
  ): Promise<Pick<HttpAnswer, "status" | "body">> {
    const signed = await signCall(address(path), body, { credentials: key, region: "us-east-1", saysHash });
    return await world.call(path, { body, headers: { ...signed, ...headers } });
  }

  /** Half of a body whose signature is wrong; the other half never comes. */
  async function forge(bytes: number, secretAccessKey = "wrong"): Promise<Socket> {
    const url = address(invocation());
    const credentials = { ...key, secretAccessKey };
    const signed = await signCall(url, Buffer.alloc(0), { credentials, region: "us-east-1", saysHash: false });
    const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(world.router.invokePort, "127.0.0.1").on("error", () => undefined);
    socket.write(`POST ${url.pathname} HTTP/1.1\r\n${lines.join("")}content-length: ${bytes}\r\n\r\n`);
    socket.write(Buffer.alloc(bytes / 2));
    sockets.push(socket);
    return socket;
  }

  async function heldBytes(): Promise<number> {
    return await metric("kubelambda_router_body_memory_bytes");
  }

  async function held(what: string, isEnough: (bytes: number) => boolean): Promise<void> {
    const probe = async (): Promise<true | undefined> => (isEnough(await heldBytes()) ? true : undefined);
    await waitUntil({ what, timeoutMs: 5000, everyMs: 5 }, probe);
  }

  async function metric(name: string): Promise<number> {
    return await readMetric(world.router.healthPort, name);
  }

  it("are counted while it is asked whether their caller may: the next finds no room and is told what is full", async () => {
    await start();
    const asked = Promise.withResolvers<undefined>();
    const answered = Promise.withResolvers<{ status: { allowed: boolean } }>();
    review = () => {
      asked.resolve(undefined);
      return answered.promise;
    };
    const first = send(event(400_000));
    await asked.promise;
    assert.equal(await heldBytes(), 400_000);
    const refused = await send(event(400_000));
    answered.resolve({ status: { allowed: true } });
    assert.equal(refused.status, 429);
    const { Reason, Type, message } = JSON.parse(refused.body) as Record<string, string>;
    assert.deepEqual([Reason, Type], ["CallerRateLimitExceeded", "User"]);
    assert.match(message ?? "", /memory for request bodies.*router\.bodyMemoryBytes.*try again$/);
    assert.equal((await first).status, 200);
    assert.equal(await heldBytes(), 0);
    assert.equal(await metric("kubelambda_router_body_refusals_total"), 1);
  });

  it("are counted while they wait for their account's share, and run when there is some", async () => {
    await start({ KUBELAMBDA_BODY_WAIT_MS: 60_000 });
    const opened = Promise.withResolvers<undefined>();
    const running = Promise.withResolvers<undefined>();
    agent.script = async () => {
      running.resolve(undefined);
      await opened.promise;
      return { body: '"done"' };
    };
    const first = send(event(400_000));
    await running.promise;
    const second = send(event(300_000));
    await held("the second body is read", (bytes) => bytes === 700_000);
    assert.equal(agent.calls.length, 1);
    opened.resolve(undefined);
    assert.deepEqual([(await first).status, (await second).status], [200, 200]);
    assert.equal(await heldBytes(), 0);
  });

  it("keep nobody from the share of the account in whose name they were forged", async () => {
    await start();
    await forge(400_000);
    await held("a forged body is read", (bytes) => bytes === 400_000);
    await forge(400_000);
    const large = await send(event(300_000), { saysHash: true });
    assert.equal(large.status, 200, large.body);
    const small = await send(event(1000));
    assert.equal(small.status, 200, small.body);
    for (const socket of sockets) socket.destroy();
    await held("all room is given back", (bytes) => bytes === 0);
  });

  it("give their room back however they end", async () => {
    await start({ KUBELAMBDA_BODY_TIMEOUT_MS: 300 });
    const path = `/lambda-url/${urlId}/`;
    const url = await send(event(200_000), { path });
    assert.deepEqual([url.status, await heldBytes()], [200, 0], url.body);
    const cases: Record<string, { call: () => Promise<{ status: number }>; status: number }> = {
      "no JSON": { call: () => send(Buffer.alloc(200_000)), status: 400 },
      "no such function": { call: () => send(event(200_000), { path: invocation("none") }), status: 404 },
      "a dry run": {
        call: () => send(event(200_000), { headers: { "x-amz-invocation-type": "DryRun" } }),
        status: 204,
      },
      "a type that is none": {
        call: () => send(event(200_000), { headers: { "x-amz-invocation-type": "None" } }),
        status: 400,
      },
      "another body than the signed one": {
        call: async () => {
          const signed = await signCall(address(invocation()), event(10), {
            ...{ credentials: key, region: "us-east-1", saysHash: false },
          });
          return await world.call(invocation(), { body: event(200_000), headers: signed });
        },
        status: 403,
      },
      "too large": { call: () => send(event(7_000_000)), status: 413 },
      "a function that fails": {
        call: () => {
          agent.script = () => "cut";
          return send(event(200_000));
        },
        status: 500,
      },
    };
    for (const [name, { call, status }] of Object.entries(cases)) {
      assert.equal((await call()).status, status, name);
      assert.equal(await heldBytes(), 0, name);
    }
    const gone = await forge(200_000);
    await held("half of a body is read", (bytes) => bytes > 0);
    gone.destroy();
    await held("who is gone holds nothing", (bytes) => bytes === 0);
    await forge(200_000);
    await held("half of a body is read", (bytes) => bytes > 0);
    await held("who is too slow holds nothing", (bytes) => bytes === 0);
  });

  it("give their room back when their caller may not", async () => {
    await start();
    review = () => Promise.resolve({ status: { allowed: false } });
    assert.equal((await send(event(200_000))).status, 403);
    assert.equal(await heldBytes(), 0);
  });
});

/** Functions, pods and keys come from memory, and so does the answer to who may call. */
function withReviews(store: KubernetesClient, review: () => Promise<unknown>): KubernetesClient {
  return new Proxy(store, {
    get(target, name) {
      if (name === "raw")
        return (method: string, path: string, body: unknown) =>
          path === accessReviews ? review() : target.raw(method, path, body);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}

/** What the client opens, keeps and sends, seen from the wire. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { type ApiServerAccess, kubeconfigAccess } from "../../lib/kubernetes/api-server-access.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { ObjectRef } from "../../lib/kubernetes/object.ts";
import { type ApiServerUnderTest, startApiServer } from "../kit/kubernetes/api-server-under-test.ts";
import { configMap } from "../kit/kubernetes/objects.ts";
import { TcpProxy } from "../kit/kubernetes/tcp-proxy.ts";
import { WatchRecorder } from "../kit/kubernetes/watch-recorder.ts";
import { waitUntil } from "../cluster/wait-until.ts";

describe("connections to a real API server", function () {
  this.timeout(60_000);
  let server: ApiServerUnderTest;
  let proxy: TcpProxy;
  let access: ApiServerAccess;
  const ref: ObjectRef = { kind: kinds.namespace, name: "default" };

  before(async () => {
    server = await startApiServer();
  });
  after(async () => {
    await server.stop();
  });
  beforeEach(async () => {
    const direct = await kubeconfigAccess(server.controlPlane.kubeconfig);
    proxy = await TcpProxy.start(Number(new URL(direct.server).port));
    access = { ...direct, server: `https://127.0.0.1:${proxy.port}` };
  });
  afterEach(async () => {
    await proxy.stop();
  });

  it("are two at most for two hundred requests in a row", async () => {
    const client = await server.makeClient({ access });
    for (let i = 0; i < 200; i++) await client.get(ref);
    // The next request may go out in the moment in which the last answer is not yet put away.
    assert(proxy.accepted <= 2, `${proxy.accepted} connections`);
  });

  it("are no more than allowed for three hundred requests at once", async () => {
    const client = await server.makeClient({ access, connections: 6 });
    await Promise.all(Array.from({ length: 300 }, () => client.get(ref)));
    assert.equal(proxy.accepted, 6);
  });

  it("are one more for each watch, however many, and requests go on beside them", async () => {
    const client = await server.makeClient({ access, connections: 1 });
    const { resourceVersion } = await client.list(kinds.configMap);
    const watches = Array.from({ length: 12 }, () => new WatchRecorder(client, kinds.configMap, { resourceVersion }));
    await Promise.all(watches.map((watch) => watch.opened));
    await client.get(ref);
    assert.equal(proxy.accepted, 13);
    await Promise.all(watches.map((watch) => watch.stop()));
    await waitUntil({ what: "the watches' connections to close", timeoutMs: 5000 }, () =>
      proxy.open <= 1 ? true : undefined,
    );
  });

  it("of urgent requests are others, so that these go on beside requests that hang", async () => {
    const client = await server.makeClient({ access, connections: 2 });
    await Promise.all([client.get(ref), client.get(ref)]);
    proxy.freeze();
    const hanging = Promise.allSettled([1, 2, 3].map(() => client.get(ref, { timeoutMs: 10_000 })));
    await client.get(ref, { isUrgent: true, timeoutMs: 5000 });
    proxy.cut();
    await hanging;
  });

  it("end with Timeout at the request's deadline, when no byte comes", async () => {
    const client = await server.makeClient({ access, connections: 1 });
    await client.get(ref);
    proxy.freeze();
    await assert.rejects(client.get(ref, { timeoutMs: 300 }), { code: "Timeout" });
    await client.get(ref, { timeoutMs: 5000 });
  });

  it("that are refused or cut are Unavailable", async () => {
    const client = await server.makeClient({ access });
    const { resourceVersion } = await client.list(kinds.configMap);
    const watch = new WatchRecorder(client, kinds.configMap, { resourceVersion });
    await watch.opened;
    proxy.cut();
    assert.equal(((await watch.ended) as { code: string }).code, "Unavailable");
    await proxy.stop();
    await assert.rejects(client.get(ref), { code: "Unavailable" });
    proxy = await TcpProxy.start(1);
  });

  it("carry no answer longer than allowed", async () => {
    const client = await server.makeClient({ access, maxResponseBytes: 100_000 });
    const namespace = await server.makeNamespace();
    await server.client.create(configMap(namespace, "big", { x: "x".repeat(200_000) }));
    await assert.rejects(client.get({ kind: kinds.configMap, namespace, name: "big" }), { code: "TooLarge" });
    await client.get(ref);
  });

  it("of a server whose certificate no authority of ours has signed are not trusted", async () => {
    const credentials = async (): ReturnType<ApiServerAccess["credentials"]> => ({
      ...(await access.credentials()),
      tls: {},
    });
    const client = await server.makeClient({ access: { ...access, credentials } });
    await assert.rejects(client.get(ref), { code: "Unavailable", message: /SIGNED|UNABLE_TO_VERIFY/ });
  });

  it("present a token that was rotated, after at most one refusal", async () => {
    const right = await access.credentials();
    let reads = 0;
    const credentials = (): ReturnType<ApiServerAccess["credentials"]> => {
      reads += 1;
      return Promise.resolve(reads === 1 ? { ...right, headers: { authorization: "Bearer expired" } } : right);
    };
    const client = await server.makeClient({ access: { ...access, credentials } });
    const namespace = await server.makeNamespace();
    await client.create(configMap(namespace, "once", {}));
    assert.equal(reads, 2);
  });

  it("say Unauthorized when no token helps", async () => {
    const credentials = async (): ReturnType<ApiServerAccess["credentials"]> => ({
      ...(await access.credentials()),
      headers: { authorization: "Bearer wrong" },
    });
    const client = await server.makeClient({ access: { ...access, credentials } });
    await assert.rejects(client.get(ref), { code: "Unauthorized" });
  });

  it("read the keys that sign service account tokens", async () => {
    const client = await server.makeClient({ access });
    const keys = (await client.raw("GET", "/openid/v1/jwks")) as { readonly keys: readonly { readonly kty: string }[] };
    assert.equal(keys.keys[0]?.kty, "RSA");
  });

  it("from inside a pod use the mounted token and authority, read again and again", async () => {
    const { inClusterAccess } = await import("../../lib/kubernetes/api-server-access.ts");
    const dir = mkdtempSync(join(tmpdir(), "service-account-"));
    try {
      const { headers } = await access.credentials();
      const authority = JSON.parse(readFileSync(server.controlPlane.kubeconfig, "utf8")) as {
        readonly clusters: readonly { readonly cluster: { readonly "certificate-authority-data": string } }[];
      };
      writeFileSync(
        join(dir, "ca.crt"),
        Buffer.from(authority.clusters[0]!.cluster["certificate-authority-data"], "base64"),
      );
      writeFileSync(join(dir, "namespace"), "home\n");
      writeFileSync(join(dir, "token"), "expired");
      chmodSync(dir, 0o700);
      const inside = await inClusterAccess({ host: "127.0.0.1", port: String(proxy.port), dir });
      assert.equal(inside.namespace, "home");
      const client = await server.makeClient({ access: inside });
      await assert.rejects(client.get(ref), { code: "Unauthorized" });
      writeFileSync(
        join(dir, "token"),
        `${(headers["authorization"] ?? headers["Authorization"])!.slice("Bearer ".length)}\n`,
      );
      await client.get(ref);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("tell by a bookmark how far a quiet watch is", async () => {
    const client = await server.makeClient({ access });
    const [quiet, busy] = [await server.makeNamespace(), await server.makeNamespace()];
    const { resourceVersion } = await client.list(kinds.configMap);
    const options = { resourceVersion, namespace: quiet, timeoutMs: 6000 };
    const watch = new WatchRecorder(client, kinds.configMap, options);
    await watch.opened;
    await client.create(configMap(busy, "elsewhere", {}));
    assert.equal(await watch.ended, undefined);
    const bookmark = watch.events.find((event) => event.type === "BOOKMARK");
    assert(bookmark !== undefined && Number(bookmark.resourceVersion) > Number(resourceVersion));
  });
});

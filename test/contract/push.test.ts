/** `kubelambda push` as a process, a real API server that makes its tokens, and a store that checks them by the server's keys. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { JSONWebKeySet } from "jose";
import { pushNamespaceHeader, pushPartHeader, pushTokenHeader, type ResolveAnswer } from "../../crds/wire/packages.ts";
import { audiences, routes } from "../../crds/wire/routes.ts";
import { createTokenVerifier } from "../../lib/http/service-account-token.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { PartialPushes } from "../../runtime-proxy/packages/partial-pushes.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { startApiServer, type ApiServerUnderTest } from "../kit/kubernetes/api-server-under-test.ts";
import { operatorToken, startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { push, PushProcess } from "../kit/push-process.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const dayMs = 86_400_000;
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const zip = zipBytes([{ name: "index.mjs", content: "export const handler = async () => 1;" }]);

describe("kubelambda push", function () {
  this.timeout(60_000);
  let server: ApiServerUnderTest;
  let store: TestStore;
  let directory: string;
  let file: string;
  let namespace: string;

  before(async function () {
    this.timeout(600_000);
    server = await startApiServer();
    const { client } = server;
    const verifyPush = createTokenVerifier({
      audience: audiences.packages,
      fetchKeys: async () => (await client.raw("GET", "/openid/v1/jwks")) as JSONWebKeySet,
      nowMs: Date.now,
    });
    // The operator of this test has no token of that server's.
    store = await startTestStore({}, async (authorization) =>
      authorization === `Bearer ${operatorToken}`
        ? { ok: true, identity: { namespace: "kubelambda", serviceAccount: "operator" } }
        : await verifyPush(authorization),
    );
    directory = await mkdtemp(join(tmpdir(), "push-"));
    file = join(directory, "function.zip");
    await writeFile(file, zip);
  });
  after(async () => {
    await store.stop();
    await server.stop();
    await rm(directory, { recursive: true });
  });
  beforeEach(async () => {
    namespace = await makeNamespace();
  });

  async function makeNamespace(): Promise<string> {
    const made = await server.makeNamespace();
    await server.client.create({
      ...{ apiVersion: "v1", kind: "ServiceAccount" },
      metadata: { namespace: made, name: "default" },
    });
    return made;
  }

  /** Of the namespace's ServiceAccount "default". */
  async function tokenOf(owner: string, tokenAudiences: readonly string[] = [audiences.packages]): Promise<string> {
    const path = `/api/v1/namespaces/${owner}/serviceaccounts/default/token`;
    const spec = { audiences: tokenAudiences };
    const made = (await server.client.raw("POST", path, { spec })) as { status: { token: string } };
    return made.status.token;
  }

  const kubeconfig = () => ({ KUBECONFIG: server.controlPlane.kubeconfig });
  const pushTo = (url: string, ...args: readonly string[]) =>
    push([...args, "-n", namespace, "--url", url], kubeconfig());
  const pushed = (...args: readonly string[]) => pushTo(store.pushUrl, ...args);

  async function collect(): Promise<void> {
    const body = { references: {} };
    const answer = await store.request(routes.references, { token: operatorToken, method: "PUT", body });
    assert.equal(answer.status, 200);
  }

  it("says the digest and how to name it, which works in that namespace alone", async () => {
    const end = await new PushProcess([file, "-n", namespace, "--url", store.pushUrl], kubeconfig()).ended;
    assert.equal(end.code, 0, end.stderr);
    const digest = digestOf(zip);
    assert.match(
      end.stdout,
      new RegExp(`^${digest}\n\n# .*for namespace ${namespace} alone.*\nspec:\n  code:\n    digest: ${digest}\n`),
    );
    assert.match(end.stderr, /^Sending 0\.0 MB to http:.*for namespace "test-/);
    assert.equal(await store.resolve({ type: "digest", digest }, namespace), digest);
    const other = await makeNamespace();
    const foreign = await store.answer({ type: "digest", digest }, other);
    assert.ok(!foreign.ok);
    assert.equal(foreign.error.code, "PackageNotFound");
    assert.match(foreign.error.message, new RegExp(`namespace "${other}" has no such package; push it there`));
  });

  it("sends nothing of what is there, and says the digest alone when it is to be quiet", async () => {
    await pushed(file);
    const again = await pushed("-q", file);
    assert.deepEqual(again, { code: 0, stdout: `${digestOf(zip)}\n`, stderr: "" });
    assert.match((await pushed(file)).stderr, /^Namespace "test-.*" has it already/);
  });

  it("makes the same zip of the same folder, whatever its times and masks", async () => {
    const make = async (name: string, mask: number): Promise<string> => {
      const folder = join(directory, name);
      await mkdir(join(folder, "lib", "empty"), { recursive: true });
      await writeFile(join(folder, "index.mjs"), "export const handler = async () => 2;");
      await writeFile(join(folder, "lib", "tool"), "#!/bin/sh\n");
      await chmod(join(folder, "index.mjs"), 0o600 | mask);
      await chmod(join(folder, "lib", "tool"), 0o700 | mask);
      await symlink("lib/tool", join(folder, "alias"));
      await utimes(join(folder, "index.mjs"), mask, mask);
      return folder;
    };
    const first = await pushed("-q", await make("a", 0));
    const second = await pushed("-q", await make("b", 0o44));
    assert.equal(first.code, 0, first.stderr);
    assert.equal(second.stdout, first.stdout);
    const digest = await store.resolve({ type: "digest", digest: first.stdout.trim() }, namespace);
    assert.equal(digest, first.stdout.trim());
  });

  it("stays a week though nothing uses it, and then goes", async () => {
    await pushed(file);
    const digest = digestOf(zip);
    await collect();
    // The clock of the store's tokens is the real one: only the store's own moves.
    store.advance(7 * dayMs - 60_000);
    await collect();
    assert.equal((await store.answer({ type: "digest", digest }, namespace)).ok, true, "one minute before");
    store.advance(2 * dayMs);
    await collect();
    assert.equal((await store.answer({ type: "digest", digest }, namespace)).ok, false, "after a week");
  });

  it("goes on where it was when it is killed on the way and run again", async () => {
    const large = zipBytes([{ name: "data", content: randomBytes(8_000_000) }]);
    const path = join(directory, "large.zip");
    await writeFile(path, large);
    const slow = await startNarrows(new URL(store.pushUrl).port);
    try {
      const killed = new PushProcess([path, "-n", namespace, "--url", slow.url], kubeconfig());
      await waitUntil({ what: "half of it is there", timeoutMs: 30_000 }, () =>
        Promise.resolve(slow.bytes() > 4_000_000 ? true : undefined),
      );
      killed.child.kill("SIGKILL");
      await killed.ended;
      assert.equal((await store.answer({ type: "digest", digest: digestOf(large) }, namespace)).ok, false);
      const before = slow.bytes();
      const end = await pushTo(slow.url, path);
      assert.equal(end.code, 0, end.stderr);
      assert.match(end.stderr, /^Sending the last [0-9.]+ MB of 8\.0 MB to /);
      assert.ok(slow.bytes() - before < 6_000_000, `sent ${slow.bytes() - before} bytes`);
    } finally {
      await slow.stop();
    }
    assert.equal(await store.resolve({ type: "digest", digest: digestOf(large) }, namespace), digestOf(large));
    for (const folder of ["staging", "partial"]) assert.deepEqual(await readdir(join(store.directory, folder)), []);
  });

  it("goes on by itself when a connection breaks", async () => {
    const large = zipBytes([{ name: "data", content: randomBytes(6_000_000) }]);
    const path = join(directory, "breaking.zip");
    await writeFile(path, large);
    const slow = await startNarrows(new URL(store.pushUrl).port, { breaksAfterBytes: 4_000_000 });
    try {
      const end = await pushTo(slow.url, "-q", path);
      assert.deepEqual([end.code, end.stdout.trim()], [0, digestOf(large)], end.stderr);
      assert.ok(slow.bytes() < 8_000_000, `sent ${slow.bytes()} bytes`);
    } finally {
      await slow.stop();
    }
  });

  it("sends it anew where what came before is something else", async () => {
    const large = zipBytes([{ name: "data", content: randomBytes(300_000) }]);
    const path = join(directory, "spoilt.zip");
    await writeFile(path, large);
    const token = await tokenOf(namespace);
    const url = `${store.pushUrl}${routes.push(digestOf(large))}`;
    const spoilt = (part: string, body: Buffer) =>
      fetch(url, {
        method: "POST",
        body: new Uint8Array(body),
        headers: { [pushTokenHeader]: token, [pushPartHeader]: part },
      });
    // One byte less than it announces, so that the rest is waited for.
    await spoilt(`0/${large.length}`, Buffer.alloc(large.length - 1));
    const end = await pushed(path);
    assert.match(end.stderr, /^Sending the last 0\.0 MB of 0\.3 MB/);
    assert.equal(end.code, 0, end.stderr);
    assert.equal(await store.resolve({ type: "digest", digest: digestOf(large) }, namespace), digestOf(large));
  });

  it("needs nothing more where all had come and the store could not check it yet", async () => {
    const small = zipBytes([{ name: "data", content: randomBytes(300_000) }]);
    const headers = {
      [pushTokenHeader]: await tokenOf(namespace),
      [pushPartHeader]: `${small.length}/${small.length}`,
    };
    const partial = new PartialPushes(join(store.directory, "partial"), Date.now);
    const part = { namespace, digest: digestOf(small), offset: 0, totalBytes: small.length };
    await partial.receive(part, Readable.from([small]), () => undefined);
    const answer = await fetch(`${store.pushUrl}${routes.push(digestOf(small))}`, {
      method: "POST",
      body: "",
      headers,
    });
    assert.equal(((await answer.json()) as ResolveAnswer).ok, true);
  });

  interface Refusal {
    readonly args: () => Promise<readonly string[]> | readonly string[];
    readonly code: number;
    readonly says: RegExp;
  }
  const refusals: Record<string, Refusal> = {
    "no argument": { args: () => [], code: 2, says: /^Cannot push: want one zip file or folder\nusage:/ },
    "two arguments": { args: () => [file, file], code: 2, says: /want one zip file or folder/ },
    "an option that is none": { args: () => [file, "--force"], code: 2, says: /Unknown option '--force'/ },
    "no such file": {
      args: () => ["nowhere.zip"],
      code: 1,
      says: /^Cannot push "nowhere\.zip": there is no such file/,
    },
    "a file that is no zip": {
      args: async () => {
        await writeFile(join(directory, "text.zip"), "text");
        return [join(directory, "text.zip")];
      },
      code: 1,
      says: /^Could not unzip uploaded file/,
    },
    "an empty folder": {
      args: async () => {
        await mkdir(join(directory, "nothing"), { recursive: true });
        return [join(directory, "nothing")];
      },
      code: 1,
      says: /the folder is empty/,
    },
    "an account that is not there": {
      args: () => [file, "--service-account", "nobody"],
      code: 1,
      says: /^Cannot push to namespace ".*": serviceaccounts "nobody" not found; name another with -n or --service-account/,
    },
  };
  for (const [what, { args, code, says }] of Object.entries(refusals)) {
    it(`refuses ${what}`, async () => {
      const end = await pushed(...(await args()));
      assert.match(end.stderr, says);
      assert.equal(end.code, code);
    });
  }

  it("says what a user lacks who may not make tokens, and where nobody listens", async () => {
    const name = "reader";
    const account = { ...{ apiVersion: "v1", kind: "ServiceAccount" }, metadata: { namespace, name } };
    await server.client.create(account);
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const made = (await server.client.raw("POST", path, { spec: {} })) as { status: { token: string } };
    const cluster = { server: server.controlPlane.server, "insecure-skip-tls-verify": true };
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
      clusters: [{ name: "c", cluster }],
      users: [{ name: "c", user: { token: made.status.token } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "c", namespace } }],
    };
    await writeFile(join(directory, "reader.json"), JSON.stringify(config));
    const env = { KUBECONFIG: join(directory, "reader.json") };
    const end = await push([file, "--url", store.pushUrl], env);
    assert.equal(end.code, 1);
    assert.match(
      end.stderr,
      /^Cannot push to namespace "test-.*": you may not make tokens of its ServiceAccount "default".*cluster role "edit" may/,
    );
    const absent = await pushTo("http://127.0.0.1:1", file);
    assert.deepEqual([absent.code, absent.stdout], [1, ""]);
    assert.match(absent.stderr, /ECONNREFUSED/);
    // Through the API server, where kubelambda is not installed.
    const proxied = await push([file, "-n", namespace], kubeconfig());
    assert.equal(proxied.code, 1);
    assert.match(
      proxied.stderr,
      /^Cannot reach the package store of "kubelambda\/kubelambda": it answered 404: .*--install-namespace/,
    );
  });

  it("is let in by a token of that audience alone, and by no header of local mode", async () => {
    const send = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${store.pushUrl}${routes.push(digestOf(zip))}`, { method: "POST", body: zip, headers })).status;
    assert.equal(await send({ [pushTokenHeader]: await tokenOf(namespace, []) }), 401);
    assert.equal(await send({ authorization: `Bearer ${operatorToken}` }), 401);
    assert.equal(await send({ [pushNamespaceHeader]: namespace }), 401);
    assert.equal((await fetch(`${store.pushUrl}${routes.object(digestOf(zip))}`)).status, 404);
    assert.equal((await fetch(`${store.pushUrl}${routes.push(digestOf(zip))}`)).status, 405);
    await server.client.delete({ kind: kinds.serviceAccount, namespace, name: "default" });
  });
});

/** A way through which bytes pass slowly; breaks the first connection after so many. */
async function startNarrows(
  port: string,
  { breaksAfterBytes = Infinity }: { readonly breaksAfterBytes?: number } = {},
): Promise<{ readonly url: string; bytes(): number; stop(): Promise<void> }> {
  let bytes = 0;
  let isBroken = false;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    const onward = connect(Number(port), "127.0.0.1");
    for (const each of [socket, onward]) each.on("error", () => undefined);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
    onward.pipe(socket);
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      onward.write(chunk);
      if (!isBroken && bytes > breaksAfterBytes) {
        isBroken = true;
        socket.destroy();
        return;
      }
      socket.pause();
      setTimeout(() => socket.resume(), 5);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bytes: () => bytes,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FetchDocument, FetchOutcome } from "../../crds/wire/fetch.ts";
import { uploadDigestHeader, uploadLimitBytes, type ResolveAnswer } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { startTestStore, type TestStore } from "../../test/kit/package-store-server.ts";
import { startScriptedServer } from "../../test/kit/scripted-server.ts";
import { zipBytes } from "../../test/kit/zip-bytes.ts";
import { fetchPackage } from "../fetch-package.ts";
import { UploadSlots } from "./upload-slots.ts";

const zip = zipBytes([
  { name: "extensions/agent.sh", content: "#!/bin/sh" },
  { name: "a.txt", content: "a" },
]);
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const token = "team-a/default";

describe("packages that pods send", () => {
  let store: TestStore;
  let directory: string;
  before(async () => {
    store = await startTestStore();
    directory = await mkdtemp(join(tmpdir(), "uploads-"));
  });
  after(async () => {
    await store.stop();
    await rm(directory, { recursive: true });
  });

  interface Sent {
    readonly status: number;
    readonly body: ResolveAnswer & { readonly code?: string };
  }
  async function send(bytes: Buffer, headers: Record<string, string>): Promise<Sent> {
    const response = await fetch(`${store.url}${routes.packages}`, { method: "POST", body: bytes, headers });
    return { status: response.status, body: (await response.json()) as Sent["body"] };
  }
  const authorization = `Bearer ${token}`;

  it("are the sender's namespace's alone", async () => {
    const { status, body } = await send(zip, { authorization, [uploadDigestHeader]: digestOf(zip) });
    assert.deepEqual(
      [status, body.ok && body.package],
      [
        200,
        {
          digest: digestOf(zip),
          codeSHA256: createHash("sha256").update(zip).digest("base64"),
          zippedBytes: zip.length,
          unzippedBytes: 10,
          extensions: ["agent.sh"],
        },
      ],
    );
    const path = routes.object(digestOf(zip));
    assert.equal((await store.request(path, { token })).status, 200);
    assert.equal((await store.request(path, { token: "team-b/default" })).status, 404);
  });

  const refusals: Record<string, { bytes: Buffer; headers: Record<string, string>; status: number; code: string }> = {
    "nobody's": { bytes: zip, headers: { [uploadDigestHeader]: digestOf(zip) }, status: 401, code: "Unauthorized" },
    "without a digest": { bytes: zip, headers: { authorization }, status: 400, code: "BadRequest" },
    "another's digest": {
      bytes: zip,
      headers: { authorization, [uploadDigestHeader]: digestOf(Buffer.from("b")) },
      ...{ status: 200, code: "DigestMismatch" },
    },
    "no zip": {
      bytes: Buffer.from("no zip"),
      headers: { authorization, [uploadDigestHeader]: digestOf(Buffer.from("no zip")) },
      ...{ status: 200, code: "InvalidArchive" },
    },
  };
  for (const [what, { bytes, headers, status, code }] of Object.entries(refusals)) {
    it(`are refused: ${what}`, async () => {
      const sent = await send(bytes, headers);
      const told = sent.body.ok ? undefined : (sent.body.code ?? sent.body.error.code);
      assert.deepEqual([sent.status, told], [status, code]);
    });
  }

  /** Sends the head and `bytes` of a body, and hangs up unless an answer comes first. */
  async function sendPart(length: number, bytes: Buffer, hangUp: boolean): Promise<string> {
    const { hostname, port } = new URL(store.url);
    const socket = connect(Number(port), hostname);
    const lines = [`POST ${routes.packages} HTTP/1.1`, "host: store", `authorization: ${authorization}`];
    lines.push(`${uploadDigestHeader}: ${digestOf(zip)}`, `content-length: ${length}`, "", "");
    socket.write(lines.join("\r\n"));
    socket.write(bytes);
    if (hangUp) socket.end();
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      socket.destroy();
    });
    await new Promise((resolve) => socket.once("close", resolve));
    return text;
  }

  it("are refused before they come when they are announced as too large", async () => {
    assert.match(await sendPart(uploadLimitBytes + 1, Buffer.alloc(0), false), /^HTTP\/1\.1 413 .*"BodyTooLarge"/s);
  });

  it("leave nothing when they break off", async () => {
    assert.doesNotMatch(await sendPart(zip.length, zip.subarray(0, 50), true), /^HTTP\/1\.1 200/);
    const next = await send(zip, { authorization, [uploadDigestHeader]: digestOf(zip) });
    assert.equal(next.status, 200);
    assert.deepEqual(await readdir(join(store.directory, "staging")), []);
  });

  it("take turns within a namespace, and others do not wait for it", async () => {
    const slots = new UploadSlots(2);
    const held = Promise.withResolvers<number>();
    const running = [slots.run("a", () => held.promise), slots.run("a", () => held.promise)];
    assert.equal(await slots.run("a", () => Promise.resolve(3)), undefined);
    assert.equal(await slots.run("b", () => Promise.resolve(3)), 3);
    held.resolve(1);
    assert.deepEqual(await Promise.all(running), [1, 1]);
    assert.equal(await slots.run("a", () => Promise.resolve(3)), 3);
  });

  async function fetchUrl(
    secrets: Record<string, string>,
    packagesUrl = store.url,
  ): Promise<[FetchOutcome, unknown[]]> {
    const origin = await startScriptedServer((request, response) => {
      const isTheirs = request.headers.authorization === "Bearer of-the-tenant";
      response.writeHead(isTheirs ? 200 : 401).end(isTheirs ? zip : "no");
    });
    const source = { type: "url", url: `${origin.url}/a.zip`, sha256: digestOf(zip).slice("sha256:".length) } as const;
    const document: FetchDocument = {
      ...{ source, secret: "url-token" },
      network: { allowedCIDRs: ["127.0.0.1/32"], deniedCIDRs: [] },
    };
    const outcome = await fetchPackage({
      ...{ document, secrets, packagesUrl, firstWaitMs: 1 },
      readToken: () => Promise.resolve(token),
      directory: await mkdtemp(join(directory, "fetch-")),
    });
    await origin.stop();
    return [outcome, origin.requests.map(({ headers }) => headers.authorization)];
  }

  it("come from a url that wants the tenant's header", async () => {
    const [outcome, headers] = await fetchUrl({ KUBELAMBDA_URL_AUTHORIZATION: "Bearer of-the-tenant\n" });
    assert.deepEqual(outcome, { ok: true, digest: digestOf(zip) });
    assert.deepEqual(headers, ["Bearer of-the-tenant"]);
    const [missing] = await fetchUrl({});
    assert.deepEqual(missing.ok ? "" : missing.error.code, "SecretNotFound");
  });

  it("are sent again while the store is away, and then it is told", async () => {
    const busy = await startScriptedServer((_request, response) => void response.writeHead(503).end("busy"));
    const [outcome] = await fetchUrl({ KUBELAMBDA_URL_AUTHORIZATION: "Bearer of-the-tenant" }, busy.url);
    assert.equal(busy.requests.length, 6);
    await busy.stop();
    const message = "Cannot send the package: the package store answered 503: busy";
    assert.deepEqual(outcome, { ok: false, error: { code: "StoreUnavailable", message } });
  });
});

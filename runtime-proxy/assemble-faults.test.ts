import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { startTestStore, type TestStore } from "../test/kit/package-store-server.ts";
import { startScriptedServer } from "../test/kit/scripted-server.ts";
import { zipBytes } from "../test/kit/zip-bytes.ts";
import { failureOf } from "../test/kit/assemble-failure.ts";
import { assemble } from "./assemble.ts";

describe("assemble with what is not there, or a store that fails", () => {
  let kit: TestStore;
  let task: string;
  beforeEach(async () => {
    kit = await startTestStore();
    task = kit.taskDirectory;
  });
  afterEach(async () => await kit.stop());

  it("names the layer that the store does not have", async () => {
    const code = await kit.resolve({ type: "files", files: { a: "x" } });
    const digest = `sha256:${"0".repeat(64)}`;
    const error = await failureOf(await kit.assembleOptions({ code, layers: [{ name: "tools:3", digest }] }));
    assert.match(
      error.message,
      /^Cannot assemble layer "tools:3" \(sha256:0+\): Cannot read package .*namespace "team-a" has no such package$/,
    );
  });

  it("reads nothing of another namespace", async () => {
    const code = await kit.resolve({ type: "files", files: { a: "x" } }, "team-b");
    assert.match(
      (await failureOf(await kit.assembleOptions({ code, layers: [] }))).message,
      /"team-a" has no such package/,
    );
  });

  it("refuses a digest that is none before it asks anybody", async () => {
    const options = {
      ...(await kit.assembleOptions({ code: "sha256:../x", layers: [] })),
      packagesUrl: "http://127.0.0.1:1",
    };
    assert.match((await failureOf(options)).message, /Cannot assemble code \(sha256:\.\.\/x\): the digest is not/);
  });

  describe("with a store that fails", () => {
    const zip = zipBytes([{ name: "a", content: Buffer.from("content ".repeat(5)), method: 0 }]);
    let digest: string;
    beforeEach(async () => void (digest = await kit.resolve({ type: "zip", base64: zip.toString("base64") })));

    const whole: RequestListener = (_request, response) => void response.end(zip);
    const broken: RequestListener = (_request, response) => {
      response.writeHead(200, { "content-length": zip.length });
      response.write(zip.subarray(0, 50), () => setImmediate(() => response.destroy()));
    };
    const rest: RequestListener = (_request, response) => {
      response.writeHead(206, { "content-range": `bytes 50-${zip.length - 1}/${zip.length}` });
      response.end(zip.subarray(50));
    };
    const status =
      (code: number): RequestListener =>
      (_request, response) =>
        void response.writeHead(code).end('{"message":"not now"}');

    const recoveries: Record<string, { steps: readonly RequestListener[]; ranges: readonly (string | undefined)[] }> = {
      "goes on where the connection broke": { steps: [broken, rest], ranges: [undefined, "bytes=50-"] },
      "starts again when the range is not taken": { steps: [broken, whole], ranges: [undefined, "bytes=50-"] },
      "tries again what is refused for now": {
        steps: [status(401), status(503), whole],
        ranges: [undefined, undefined, undefined],
      },
      "tries again when the digest differs": {
        steps: [(_request, response) => void response.end("other"), whole],
        ranges: [undefined, undefined],
      },
    };
    for (const [what, { steps, ranges }] of Object.entries(recoveries)) {
      it(what, async () => {
        const server = await startScriptedServer(...steps);
        await assemble({ ...(await kit.assembleOptions({ code: digest, layers: [] })), packagesUrl: server.url });
        assert.deepEqual(
          server.requests.map(({ headers }) => headers.range),
          ranges,
        );
        assert.equal(await readFile(join(task, "a"), "utf8"), "content ".repeat(5));
        await server.stop();
      });
    }

    it("gives up after six tries with the last reason", async () => {
      const server = await startScriptedServer(status(503));
      const error = await failureOf({
        ...(await kit.assembleOptions({ code: digest, layers: [] })),
        packagesUrl: server.url,
      });
      assert.match(error.message, /the package store answered 503: not now$/);
      assert.equal(server.requests.length, 6);
      await server.stop();
    });

    it("ends at its deadline", async () => {
      const server = await startScriptedServer(() => undefined);
      const options = await kit.assembleOptions({ code: digest, layers: [{ name: "l", digest }] });
      const error = await failureOf({ ...options, packagesUrl: server.url, deadlineMs: 100 });
      assert.match(error.message, /the time for it is over$/);
      await server.stop();
    });
  });

  it("leaves no file behind when it is aborted", async () => {
    const server = await startScriptedServer(() => undefined);
    const digest = `sha256:${"2".repeat(64)}`;
    const options = { ...(await kit.assembleOptions({ code: digest, layers: [] })), packagesUrl: server.url };
    await failureOf({ ...options, signal: AbortSignal.abort() });
    assert.equal(server.requests.length, 0);
    await server.stop();
  });
});

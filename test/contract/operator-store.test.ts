/** What becomes of settled packages when the package store, or the operator, is another one: both are real. */
import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import { layerKind, type LayerObject } from "../../crds/v1alpha1/layer.ts";
import { routes } from "../../crds/wire/routes.ts";
import { createHttpPackageStore } from "../../operator/http-package-store.ts";
import { OperatorWorld } from "../kit/operator-world.ts";
import { operatorToken, startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { startScriptedServer } from "../kit/scripted-server.ts";
import { startSwitchableProxy } from "../kit/switchable-proxy.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

describe("settled packages", () => {
  let world: OperatorWorld;
  let namespace: string;
  before(async function () {
    this.timeout(120_000);
    world = await OperatorWorld.start();
  });
  after(() => world.stop());
  beforeEach(async () => void (namespace = await world.makeNamespace()));

  const ready = (name: string) => world.untilCondition({ namespace, name }, { type: "Ready", status: "True" });
  const hasIt = async (store: TestStore, digest: string): Promise<true | undefined> => {
    const answer = await store.request(routes.object(digest), { token: `${namespace}/default`, method: "HEAD" });
    return answer.status === 200 ? true : undefined;
  };

  it("are in the store that answers now, though they were resolved by another before", async () => {
    const other = await startTestStore();
    const proxy = await startSwitchableProxy(world.store.url);
    const readToken = (): Promise<string> => Promise.resolve(operatorToken);
    const packageStore = createHttpPackageStore({ url: proxy.url, readToken });
    const operator = await world.startOperator({}, { packageStore });
    try {
      const layer = { content: { files: { "lib/a": "layer" } } };
      await world.client.create({
        apiVersion: API_VERSION,
        kind: "Layer",
        metadata: { namespace, name: "tools" },
        spec: layer,
      });
      await world.createFunction(namespace, "settled", { layers: ["tools"] });
      const { status } = await ready("settled");
      const digests = [status?.codeDigest ?? "", ...(status?.layers ?? []).map(({ digest }) => digest)];
      assert.equal(digests.length, 2);
      for (const digest of digests) assert.equal(await hasIt(world.store, digest), true);
      proxy.target = other.url;
      for (const digest of digests) await world.until(`the other store has ${digest}`, () => hasIt(other, digest));
      assert.equal((await ready("settled")).status?.codeDigest, digests[0]);
    } finally {
      await world.stopOperator(operator);
      await proxy.stop();
      await other.stop();
    }
  }).timeout(60_000);

  it("are resolved again when the store has lost them, and is the same", async () => {
    const operator = await world.startOperator({ KUBELAMBDA_REFERENCES_SECONDS: "1" });
    try {
      await world.createFunction(namespace, "lost");
      const digest = (await ready("lost")).status?.codeDigest ?? "";
      const nothing = { token: operatorToken, method: "PUT", body: { references: {} } };
      // As if time had passed and nobody had said that it is needed.
      await world.until("the store has lost it", async () => {
        world.store.advance(3_700_000);
        await world.store.request(routes.references, nothing);
        return (await hasIt(world.store, digest)) === undefined ? true : undefined;
      });
      await world.until("the store has it again", () => hasIt(world.store, digest));
    } finally {
      await world.stopOperator(operator);
    }
  }).timeout(60_000);

  it("of a source that may change are not read again by the next operator while the source stands", async () => {
    const zip = zipBytes([{ name: "index.mjs", content: "export const handler = () => 1;" }]);
    const statuses: number[] = [];
    const bucket = await startScriptedServer((request, response) => {
      const status = request.headers["if-none-match"] === '"one"' ? 304 : 200;
      statuses.push(status);
      response.writeHead(status, { etag: '"one"' }).end(status === 200 ? zip : undefined);
    });
    const env = {
      KUBELAMBDA_S3_ENDPOINT: bucket.url,
      KUBELAMBDA_S3_REGION: "eu-test-1",
      KUBELAMBDA_URL_ALLOWED_CIDRS: "127.0.0.1/32",
    };
    const source = { s3Bucket: "public", s3Key: "code.zip", recheckSeconds: 60 };
    const seen = async (): Promise<unknown[]> => {
      const layer = await world.client.get<LayerObject>({ kind: layerKind, namespace, name: "moving" });
      return [(await world.getFunction(namespace, "moving")).status?.source, layer.status?.source];
    };
    try {
      const first = await world.startOperator(env);
      await world.createFunction(namespace, "moving", { code: source });
      await world.client.create({
        apiVersion: API_VERSION,
        kind: "Layer",
        metadata: { namespace, name: "moving" },
        spec: { content: source },
      });
      const { status } = await ready("moving");
      await world.until("both are read", async () =>
        (await seen()).every((read) => read !== undefined) ? true : undefined,
      );
      assert.deepEqual((await seen())[0], { digest: status?.codeDigest, revision: '"one"' });
      await world.stopOperator(first);
      const readBefore = statuses.filter((each) => each === 200).length;
      // Its draw makes what was kept due at once.
      const second = await world.startOperator({ ...env }, { draw: () => 1.999 });
      await world.until("the source is looked at", async () =>
        Promise.resolve(statuses.includes(304) ? true : undefined),
      );
      assert.equal(statuses.filter((each) => each === 200).length, readBefore);
      await ready("moving");
      await world.stopOperator(second);
    } finally {
      await bucket.stop();
    }
  }).timeout(60_000);
});

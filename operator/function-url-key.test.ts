import assert from "node:assert/strict";
import { kinds } from "../lib/kubernetes/kinds.ts";
import { ObjectStore } from "../local/object-store.ts";
import { createFunctionUrlOf, ensureFunctionUrlKey } from "./function-url-key.ts";

const ref = { namespace: "kubelambda", name: "url-key" };
const pattern = "https://{id}.lambda-url.eu-west-1.example.org/";
const owner = { namespace: "team", functionName: "hello" };
const store = (): ObjectStore => new ObjectStore({ kinds: [], nowMs: () => 0 });

describe("the key of function URLs", () => {
  it("is made once; every operator after that has the same, and so the same URLs", async () => {
    const client = store();
    const [first, second] = [await ensureFunctionUrlKey(client, ref), await ensureFunctionUrlKey(client, ref)];
    assert.equal(first.length, 32);
    assert.deepEqual(first, second);
    assert.equal(createFunctionUrlOf(first, pattern)(owner), createFunctionUrlOf(second, pattern)(owner));
  });

  it("is another in another installation, and so are its URLs", async () => {
    const urls = await Promise.all(
      [store(), store()].map(async (client) =>
        createFunctionUrlOf(await ensureFunctionUrlKey(client, ref), pattern)(owner),
      ),
    );
    assert.notEqual(urls[0], urls[1]);
    for (const url of urls) assert.match(url, /^https:\/\/[0-9a-z]{32}\.lambda-url\.eu-west-1\.example\.org\/$/);
  });

  it("is refused when it is too short, and says what would be right", async () => {
    const client = store();
    const { namespace, name } = ref;
    const data = { "function-url.key": Buffer.from("short").toString("base64") };
    await client.create({ apiVersion: "v1", kind: kinds.secret.kind, metadata: { namespace, name }, ...{ data } });
    await assert.rejects(
      ensureFunctionUrlKey(client, ref),
      /"kubelambda\/url-key".*has 5 bytes, 32 at least are right/,
    );
  });
});

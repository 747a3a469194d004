import assert from "node:assert/strict";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JSONWebKeySet } from "jose";
import { createTokenVerifier } from "./service-account-token.ts";

describe("createTokenVerifier", () => {
  let keys: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey };
  let set: JSONWebKeySet;
  let nowMs: number;

  before(async () => {
    keys = await generateKeyPair("ES256");
    set = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "one", alg: "ES256" }] };
  });
  beforeEach(() => (nowMs = 1_800_000_000_000));

  const sign = async (key: CryptoKey, audience: string): Promise<string> =>
    await new SignJWT({ "kubernetes.io": { namespace: "a", serviceaccount: { name: "ci" } } })
      .setProtectedHeader({ alg: "ES256", kid: "one" })
      .setAudience(audience)
      .setExpirationTime(nowMs / 1000 + 600)
      .sign(key);

  it("without an audience knows whatever the cluster has signed, and nothing else", async () => {
    const verify = createTokenVerifier({ fetchKeys: () => Promise.resolve(set), nowMs: () => nowMs });
    const want = { ok: true, identity: { namespace: "a", serviceAccount: "ci" } };
    assert.deepEqual(await verify(`Bearer ${await sign(keys.privateKey, "anybody")}`), want);
    const { privateKey: foreign } = await generateKeyPair("ES256");
    for (const token of [await sign(foreign, "anybody"), "a.b.c", "opaque"])
      assert.equal((await verify(`Bearer ${token}`)).ok, false);
  });

  it("asks for keys that cannot be read once a second, however many tokens come", async () => {
    let asked = 0;
    const fetchKeys = (): Promise<JSONWebKeySet> => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error("away")) : Promise.resolve(set);
    };
    const verify = createTokenVerifier({ audience: "us", fetchKeys, nowMs: () => nowMs });
    const token = `Bearer ${await sign(keys.privateKey, "us")}`;
    for (let n = 0; n < 3; n += 1) assert.equal((await verify(token)).ok, false);
    assert.equal(asked, 1);
    nowMs += 1000;
    assert.equal((await verify(token)).ok, true);
    assert.equal(asked, 2);
  });
});

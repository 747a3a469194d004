/** Whatever the signers of the AWS SDKs for JavaScript and Python sign is taken, and nothing that was changed afterwards is. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { pythonSdk } from "../kit/python-sdk.ts";
import {
  accessWithOneKey,
  signWithBotocore,
  signWithSmithy,
  verify,
  type PlainRequest,
  type WireRequest,
} from "../kit/signed-request.ts";

const nowMs = Date.parse("2026-11-25T23:59:58Z");
const access = accessWithOneKey(nowMs);

const text = fc.string({ unit: "grapheme", maxLength: 12 });
/** Dot segments vanish in a URL before they are signed, and empty ones are none. */
const segment = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((part) => !/^\.{1,2}$/.test(part));
const headerName = fc.constantFrom("x-amz-client-context", "x-custom", "content-type", "x-amz-log-type", "accept");
const headerValue = fc.stringMatching(/^[!-~]{1,8}( {1,3}[!-~]{1,8}){0,2}$/);
const request: fc.Arbitrary<PlainRequest> = fc.record({
  method: fc.constantFrom("POST", "GET", "PUT", "DELETE"),
  segments: fc.array(segment, { minLength: 1, maxLength: 3 }),
  query: fc.array(
    fc.tuple(
      fc.oneof(fc.constantFrom("Qualifier", "a", "A"), text).filter((name) => name !== "" && !/^x-amz-/i.test(name)),
      text,
    ),
    { maxLength: 4 },
  ),
  headers: fc.dictionary(headerName, headerValue, { maxKeys: 3 }),
  body: fc.oneof(fc.constant(""), text, fc.json()),
});

/** One change that no reader may take for the same request; undefined where there is nothing of that kind to change. */
const changes: Readonly<Record<string, (wire: WireRequest, at: number) => WireRequest | undefined>> = {
  "the body": (wire, at) =>
    wire.body.length === 0 ? { ...wire, body: Buffer.from("x") } : { ...wire, body: flip(wire.body, at) },
  "the path": (wire) => ({ ...wire, path: `${wire.path}x` }),
  "the query": (wire) => ({ ...wire, query: wire.query === "" ? "x=" : `${wire.query}&x=` }),
  "the method": (wire) => ({ ...wire, method: wire.method === "POST" ? "PATCH" : "POST" }),
  "the signature": (wire, at) => changeSignature(wire, at),
  "a signed header": (wire) => changeHeader(wire, "x-custom"),
  "the host": (wire) => changeHeader(wire, "host"),
};

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  const index = at % changed.length;
  changed[index] = (changed[index] ?? 0) ^ (1 << (at % 8));
  return changed;
}

function changeSignature(wire: WireRequest, at: number): WireRequest {
  const change = (value: string): string =>
    value.replace(/(Signature=)([0-9a-f]{64})/, (_all, name: string, hex: string) => {
      const bytes = flip(Buffer.from(hex, "hex"), at);
      return name + bytes.toString("hex");
    });
  return { ...wire, query: change(wire.query), headers: wire.headers.map(change) };
}

function changeHeader(wire: WireRequest, name: string): WireRequest | undefined {
  const index = wire.headers.findIndex((header, place) => place % 2 === 0 && header.toLowerCase() === name);
  if (index < 0) return undefined;
  return { ...wire, headers: wire.headers.map((value, place) => (place === index + 1 ? `${value}x` : value)) };
}

async function checkAll(wire: WireRequest, at: number): Promise<void> {
  assert.equal(await verify(access, wire), "ok");
  for (const [what, change] of Object.entries(changes)) {
    const changed = change(wire, at);
    if (changed !== undefined) assert.match(await verify(access, changed), /^InvalidSignatureException /, what);
  }
}

describe("signatures", function () {
  this.timeout(120_000);
  before(async function () {
    this.timeout(300_000);
    await pythonSdk();
  });

  it("of the AWS SDK for JavaScript are taken as they are, and not when anything was changed", async () => {
    await fc.assert(
      fc.asyncProperty(request, fc.nat(), async (plain, at) => await checkAll(await signWithSmithy(plain, nowMs), at)),
      { numRuns: 400 },
    );
  });

  it("of its presigned requests too, which sign no payload but the one they were made with", async () => {
    await fc.assert(
      fc.asyncProperty(
        request,
        fc.nat(),
        async (plain, at) => await checkAll(await signWithSmithy(plain, nowMs, true), at),
      ),
      { numRuns: 400 },
    );
  });

  it("of botocore, which does not tell the payload's hash, too", async () => {
    const requests = fc.sample(request, 300);
    const signed = await signWithBotocore(requests, nowMs);
    for (const [index, wire] of signed.entries()) await checkAll(wire, index * 7);
  });

  it("of a clock that is five minutes off are taken, of one that is more are not", async () => {
    const plain: PlainRequest = { method: "POST", segments: ["f", "invocations"], query: [], headers: {}, body: "{}" };
    const at = async (offsetMs: number): Promise<string> =>
      await verify(access, await signWithSmithy(plain, nowMs + offsetMs));
    assert.equal(await at(5 * 60_000), "ok");
    assert.equal(await at(-5 * 60_000), "ok");
    assert.match(await at(5 * 60_000 + 1000), /^InvalidSignatureException Signature not yet current: 20261126T000459Z/);
    assert.match(await at(-5 * 60_000 - 1000), /^InvalidSignatureException Signature expired: 20261125T235457Z/);
  });

  it("take whatever else is sent for what it is, and end with an answer", async () => {
    const header = fc.oneof(text, fc.string({ unit: "binary", maxLength: 300 }));
    const names = fc.constantFrom(
      "authorization",
      "host",
      "x-amz-date",
      "x-amz-security-token",
      "x-amz-content-sha256",
      "date",
    );
    const schemes = fc.constantFrom("", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=", "Bearer ");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(names, schemes, header), { maxLength: 6 }), header, async (headers, query) => {
        const pairs = headers.flatMap(([name, scheme, value]) => [name, scheme + value]);
        const wire = { method: "POST", path: "/", query, headers: pairs, body: Buffer.from("{}") };
        assert.match(
          await verify(access, wire),
          /^(IncompleteSignature|InvalidSignature|UnrecognizedClient|MissingAuthenticationToken|Service)Exception /,
        );
      }),
      { numRuns: 1000 },
    );
  });
});

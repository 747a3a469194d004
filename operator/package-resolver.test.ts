import assert from "node:assert/strict";
import type { ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { PackageResolver, type Wanted } from "./package-resolver.ts";

const source = { type: "s3", endpoint: "e", region: "r", addressing: "path", bucket: "b", key: "k" } as const;
const wanted: Wanted = { namespace: "team", source, sourceHash: "hash", recheckMs: 60_000 };
const packageOf = (name: string) => ({
  ...{ digest: `sha256:${name}`, codeSHA256: name, zippedBytes: 1, unzippedBytes: 1, extensions: [] },
  revision: `"${name}"`,
});
const answerOf = (name: string): ResolveAnswer => ({ ok: true, package: packageOf(name) });
const absent: ResolveAnswer = { ok: false, error: { code: "SourceNotFound", message: "Not there" } };

/** A resolver whose store answers in this order. */
function world(...answers: readonly ResolveAnswer[]) {
  const clock = new ManualClock();
  const requests: ResolveRequest[] = [];
  const resolver = new PackageResolver({
    store: {
      resolve: (request) => Promise.resolve(answers[requests.push(request) - 1] ?? absent),
      resolveImage: () => Promise.reject(new Error("no image")),
      putReferences: () => Promise.resolve({}),
      identify: () => Promise.resolve(),
      storeChanges: 0,
    },
    ...{ clock, draw: () => 0, use: "code", onChange: () => undefined },
    onError: (error) => assert.fail(String(error)),
  });
  const settle = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, requests, resolver, settle };
}

describe("what a source that may change is resolved to", () => {
  it("stands until it is time to look again, and is then asked for with what is known", async () => {
    const { clock, requests, resolver, settle } = world(answerOf("1"), answerOf("1"), answerOf("2"));
    assert.deepEqual(resolver.look("a", wanted), { type: "resolving" });
    await settle();
    const first = { type: "resolved", sourceHash: "hash", package: packageOf("1") };
    assert.deepEqual(resolver.look("a", wanted), { ...first, recheck: { afterMs: 60_000 } });
    clock.advance(59_999);
    assert.deepEqual(resolver.look("a", wanted), { ...first, recheck: { afterMs: 1 } });
    assert.equal(requests.length, 1);
    for (const name of ["1", "2"]) {
      clock.advance(60_000);
      // It goes on while it is asked for.
      assert.deepEqual(resolver.look("a", wanted), { ...first, recheck: { afterMs: 60_000 } });
      assert.deepEqual(resolver.look("a", wanted), { ...first, recheck: { afterMs: 60_000 } });
      await settle();
      const seen = resolver.look("a", wanted);
      assert.deepEqual(seen.type === "resolved" && seen.package, packageOf(name));
    }
    assert.deepEqual(
      requests.map(({ known }) => known),
      [undefined, { digest: "sha256:1", revision: '"1"' }, { digest: "sha256:1", revision: '"1"' }],
    );
  });

  it("goes on when a look is in vain, says so, and recovers", async () => {
    const { clock, resolver, settle } = world(answerOf("1"), absent, answerOf("2"));
    resolver.look("a", wanted);
    await settle();
    clock.advance(60_000);
    resolver.look("a", wanted);
    await settle();
    const seen = resolver.look("a", wanted);
    assert.deepEqual(seen, {
      ...{ type: "resolved", sourceHash: "hash", package: packageOf("1") },
      recheck: { afterMs: 60_000, problem: { reason: "SourceNotFound", message: "Not there" } },
    });
    clock.advance(60_000);
    resolver.look("a", wanted);
    await settle();
    assert.deepEqual(resolver.look("a", wanted), {
      ...{ type: "resolved", sourceHash: "hash", package: packageOf("2"), recheck: { afterMs: 60_000 } },
    });
  });

  it("is what was kept before a restart, looked at again within the interval", async () => {
    const { clock, requests, resolver, settle } = world(answerOf("2"));
    const kept = packageOf("1");
    assert.deepEqual(resolver.look("a", wanted, kept), {
      ...{ type: "resolved", sourceHash: "hash", package: kept, recheck: { afterMs: 60_000 } },
    });
    assert.equal(requests.length, 0);
    clock.advance(60_000);
    resolver.look("a", wanted, kept);
    await settle();
    const seen = resolver.look("a", wanted, kept);
    assert.deepEqual(seen.type === "resolved" && seen.package, packageOf("2"));
  });

  it("is looked at never again once the spec no longer says so, and again as soon as it does", async () => {
    const { clock, requests, resolver, settle } = world(answerOf("1"), answerOf("2"));
    const { recheckMs: _, ...once } = wanted;
    resolver.look("a", once);
    await settle();
    clock.advance(1_000_000);
    assert.deepEqual(resolver.look("a", once), { type: "resolved", sourceHash: "hash", package: packageOf("1") });
    assert.equal(requests.length, 1);
    resolver.look("a", wanted);
    await settle();
    const seen = resolver.look("a", wanted);
    assert.deepEqual(seen.type === "resolved" && seen.package, packageOf("2"));
  });

  it("is left alone for as long as its server asks", async () => {
    const busy = { ok: false, error: { code: "SourceUnreachable", message: "429", retryAfterMs: 300_000 } } as const;
    const { clock, requests, resolver, settle } = world(busy, answerOf("1"));
    const { recheckMs: _, ...once } = wanted;
    resolver.look("a", once);
    await settle();
    clock.advance(299_000);
    const seen = resolver.look("a", once);
    assert.deepEqual(seen.type === "retrying" && seen.retryAfterMs, 1000);
    assert.equal(requests.length, 1);
    clock.advance(1000);
    resolver.look("a", once);
    await settle();
    assert.equal(resolver.look("a", once).type, "resolved");
  });

  it("may be put right under its name, when it is looked at again", async () => {
    const wrong = { ok: false, error: { code: "InvalidArchive", message: "No zip" } } as const;
    const { clock, resolver, settle } = world(wrong, answerOf("1"));
    resolver.look("a", wanted);
    await settle();
    assert.deepEqual(resolver.look("a", wanted), {
      ...{ type: "retrying", reason: "InvalidArchive", message: "No zip", retryAfterMs: 60_000 },
    });
    clock.advance(60_000);
    resolver.look("a", wanted);
    await settle();
    assert.equal(resolver.look("a", wanted).type, "resolved");
  });

  it("is refused for good when it is wrong and never looked at again", async () => {
    const wrong = { ok: false, error: { code: "InvalidArchive", message: "No zip" } } as const;
    const { resolver, settle } = world(wrong);
    const { recheckMs: _, ...once } = wanted;
    resolver.look("a", once);
    await settle();
    assert.deepEqual(resolver.look("a", once), { type: "refused", reason: "InvalidArchive", message: "No zip" });
  });

  it("takes a Secret only where there are any", async () => {
    const { requests, resolver, settle } = world();
    const owner = {
      ...{ apiVersion: "v1", kind: "Function" },
      metadata: { name: "f", uid: "u", resourceVersion: "1", creationTimestamp: "" },
    };
    const secret = { reference: { type: "s3", name: "keys" }, owner } as const;
    resolver.look("a", { ...wanted, secret });
    await settle();
    const seen = resolver.look("a", { ...wanted, secret });
    assert.equal(seen.type === "refused" && seen.reason, "SourceNotServed");
    assert.equal(requests.length, 0);
  });
});

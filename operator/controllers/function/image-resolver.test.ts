import assert from "node:assert/strict";
import { beforeEach, describe, it } from "mocha";
import type { ImageAnswer, ResolveImageRequest } from "../../../crds/wire/images.ts";
import { imageFunction, resolvedImage } from "../../../test/kit/function-seen.ts";
import { settle } from "../../../test/kit/kubernetes/settle.ts";
import { ManualClock } from "../../../test/kit/manual-clock.ts";
import { ImageResolver, type Asking } from "./image-resolver.ts";

const key = "team/hello";
const recheckMs = 300_000;
const resolved: ImageAnswer = { outcome: "resolved", image: resolvedImage };
const notFound: ImageAnswer = { outcome: "failed", code: "ImageNotFound", message: "no such tag" };
const invalid: ImageAnswer = { outcome: "failed", code: "InvalidImage", message: "no image" };
const otherDigest = `sha256:${"c".repeat(64)}`;

describe("images of functions", () => {
  let clock: ManualClock;
  let asked: ResolveImageRequest[];
  let changes: number;
  /** Answers the next question; an Error: nobody answers. */
  let answers: (ImageAnswer | Error)[];
  let byPod: boolean;
  let resolver: ImageResolver;
  const wanted = { object: imageFunction(), sourceHash: "hash" };

  beforeEach(() => {
    clock = new ManualClock();
    [asked, answers, changes, byPod] = [[], [], 0, false];
    resolver = new ImageResolver({
      clock,
      draw: () => 0.5,
      recheckMs,
      onChange: () => (changes += 1),
      onError: () => undefined,
      ask: (_object, request): Promise<Asking> => {
        asked.push(request);
        const answer = answers.shift() ?? resolved;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ answer, byPod });
      },
    });
  });

  async function look(changed: Partial<typeof wanted> = {}) {
    resolver.look(key, { ...wanted, ...changed });
    await settle();
    return resolver.look(key, { ...wanted, ...changed });
  }

  it("are asked for once, and never keep their caller", async () => {
    assert.deepEqual(resolver.look(key, wanted), { code: { type: "resolving" } });
    const { code, image } = await look();
    assert.equal(code.type, "resolved");
    assert.equal(image, resolvedImage);
    clock.advance(recheckMs * 100);
    await look();
    assert.deepEqual(asked, [{ namespace: "team", image: "registry.test/team/image:1", architecture: "x86_64" }]);
    assert.equal(changes, 1);
  });

  it("are asked for again when they were not found, later each time, and at once with another pull secret", async () => {
    answers = [notFound, notFound, notFound];
    const first = (await look()).code;
    assert.ok(first.type === "retrying");
    assert.ok(first.retryAfterMs >= 1000 && first.retryAfterMs < 4000);
    clock.advance(1000);
    await look();
    assert.equal(asked.length, 1);
    clock.advance(3000);
    const second = (await look()).code;
    assert.equal(asked.length, 2);
    assert.ok(second.type === "retrying" && second.retryAfterMs > first.retryAfterMs);
    const object = imageFunction({ podTemplate: { spec: { imagePullSecrets: [{ name: "pull" }] } } });
    await look({ object });
    assert.equal(asked.length, 3);
  });

  it("are not asked for again when only another spec helps, but for another source", async () => {
    answers = [invalid];
    assert.deepEqual((await look()).code, { type: "refused", reason: "InvalidImage", message: "no image" });
    clock.advance(recheckMs * 100);
    await look();
    assert.equal(asked.length, 1);
    assert.equal((await look({ sourceHash: "other" })).code.type, "resolved");
  });

  it("say so when nobody answers, and try again", async () => {
    answers = [new Error("connection refused")];
    const { code } = await look();
    assert.ok(code.type === "retrying" && code.reason === "PackageStoreUnavailable");
    clock.advance(10_000);
    assert.equal((await look()).code.type, "resolved");
  });

  it("forget an answer that comes after their function went", async () => {
    resolver.look(key, wanted);
    resolver.forget(key);
    await settle();
    assert.equal(changes, 0);
  });

  async function lookAtTag(image = resolvedImage) {
    resolver.lookAtTag(key, wanted, image);
    await settle();
    return resolver.lookAtTag(key, wanted, image);
  }

  it("have their tag looked at on the interval, by the digest that it named", async () => {
    answers = [{ outcome: "unchanged" }, { outcome: "unchanged" }];
    const first = await lookAtTag();
    assert.deepEqual(first, { againAfterMs: recheckMs * 0.75 });
    clock.advance(recheckMs * 0.75);
    assert.deepEqual(await lookAtTag(), { tag: { type: "current" }, againAfterMs: recheckMs });
    assert.equal(asked[0]?.knownDigest, resolvedImage.namedDigest);
    clock.advance(recheckMs - 1);
    await lookAtTag();
    assert.equal(asked.length, 1);
    clock.advance(1);
    await lookAtTag();
    assert.equal(asked.length, 2);
  });

  it("are looked at twelve times less where that takes a pod", async () => {
    byPod = true;
    clock.advance(1);
    await lookAtTag();
    clock.advance(recheckMs);
    await lookAtTag();
    clock.advance(recheckMs * 11);
    await lookAtTag();
    assert.equal(asked.length, 1);
    clock.advance(recheckMs);
    await lookAtTag();
    assert.equal(asked.length, 2);
  });

  const tags: Record<string, { answer: ImageAnswer; want: object }> = {
    "moved when the tag names another digest": {
      answer: { outcome: "resolved", image: { ...resolvedImage, digest: otherDigest } },
      want: { type: "moved", digest: otherDigest },
    },
    "current when only the index around them is another": {
      answer: { outcome: "resolved", image: { ...resolvedImage, namedDigest: otherDigest } },
      want: { type: "current" },
    },
    "unknown when the tag is gone": {
      answer: notFound,
      want: { type: "unknown", reason: "ImageNotFound", message: "no such tag" },
    },
  };
  for (const [what, { answer, want }] of Object.entries(tags)) {
    it(`are ${what}`, async () => {
      answers = [answer];
      await lookAtTag();
      clock.advance(recheckMs);
      assert.deepEqual((await lookAtTag()).tag, want);
    });
  }

  it("named by a digest are never looked at again", async () => {
    const { tag: _tag, ...pinned } = resolvedImage;
    clock.advance(recheckMs * 100);
    assert.deepEqual(await lookAtTag(pinned), {});
    assert.equal(asked.length, 0);
  });
});

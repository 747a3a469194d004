import assert from "node:assert/strict";
import { apiHost, parseImageReference, pinnedReference, type ImageReference } from "./image-reference.ts";
import { RegistryError } from "./registry-error.ts";

const digest = `sha256:${"0a".repeat(32)}`;

describe("image names", () => {
  const cases: Record<string, ImageReference> = {
    alpine: { registry: "docker.io", repository: "library/alpine", tag: "latest" },
    "alpine:3.20": { registry: "docker.io", repository: "library/alpine", tag: "3.20" },
    "team/app": { registry: "docker.io", repository: "team/app", tag: "latest" },
    "index.docker.io/alpine": { registry: "docker.io", repository: "library/alpine", tag: "latest" },
    "docker.io/team/app:v1": { registry: "docker.io", repository: "team/app", tag: "v1" },
    "localhost/app": { registry: "localhost", repository: "app", tag: "latest" },
    "localhost:5000/app": { registry: "localhost:5000", repository: "app", tag: "latest" },
    "registry:5000/a/b_c/d--e:V1_x": { registry: "registry:5000", repository: "a/b_c/d--e", tag: "V1_x" },
    "Registry/app": { registry: "Registry", repository: "app", tag: "latest" },
    "[2001:db8::1]:5000/app:1": { registry: "[2001:db8::1]:5000", repository: "app", tag: "1" },
    "public.ecr.aws/lambda/nodejs:24": { registry: "public.ecr.aws", repository: "lambda/nodejs", tag: "24" },
    [`ghcr.io/team/app@${digest}`]: { registry: "ghcr.io", repository: "team/app", digest },
    [`ghcr.io/team/app:1@${digest}`]: { registry: "ghcr.io", repository: "team/app", tag: "1", digest },
  };
  for (const [name, want] of Object.entries(cases)) {
    it(`reads ${name}`, () => assert.deepEqual(parseImageReference(name), want));
  }

  const bad: Record<string, RegExp> = {
    "": /repository "library\/" is not lower-case words/,
    "ghcr.io/Team/app": /repository "Team\/app" is not lower-case words/,
    "ghcr.io/team/app:": /tag "" has forbidden characters/,
    "ghcr.io/team/app:a b": /tag "a b" has forbidden characters/,
    [`ghcr.io/team/app:${"t".repeat(129)}`]: /tag .* has forbidden characters/,
    "ghcr.io/team/app@sha256:12": /digest "sha256:12" is not sha256/,
    [`ghcr.io/team/app@sha512:${"0".repeat(128)}`]: /is not sha256/,
    [`a@${digest}@${digest}`]: /more than one @/,
    "https://ghcr.io/team/app": /registry "https:" is no host name/,
    "user@ghcr.io/team/app": /digest "ghcr.io\/team\/app" is not sha256/,
    "ghcr.io//app": /is not lower-case words/,
    "ghcr.io/../app": /is not lower-case words/,
    "-x.io/app": /registry "-x.io" is no host name/,
    ["0a".repeat(32)]: /the id of an image, not its name/,
    [`ghcr.io/${"a".repeat(250)}`]: /longer than 255/,
  };
  for (const [name, says] of Object.entries(bad)) {
    it(`refuses ${name.slice(0, 60)}`, () => {
      assert.throws(
        () => parseImageReference(name),
        (error) => error instanceof RegistryError && error.code === "InvalidImageReference" && says.test(error.message),
      );
    });
  }

  it("pins by digest and asks Docker Hub where its API is", () => {
    const reference = parseImageReference("alpine");
    assert.equal(pinnedReference(reference, digest), `docker.io/library/alpine@${digest}`);
    assert.equal(apiHost(reference), "registry-1.docker.io");
    assert.equal(apiHost(parseImageReference("ghcr.io/team/app")), "ghcr.io");
  });
});

import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { errors } from "undici";
import { isKubernetesError, KubernetesError, type KubernetesErrorCode } from "./kubernetes-error.ts";
import { failureToKubernetesError, type FailureStatus, toKubernetesError } from "./to-kubernetes-error.ts";

const failures: Record<string, { failure: FailureStatus; want: KubernetesErrorCode }> = {
  "the reason decides over the status": { failure: { code: 409, reason: "AlreadyExists" }, want: "AlreadyExists" },
  "a conflict without a reason": { failure: { code: 409 }, want: "Conflict" },
  "an expired version": { failure: { code: 410, reason: "Expired" }, want: "Gone" },
  "an expired continue token": { failure: { code: 410, reason: "Gone" }, want: "Gone" },
  "a version that the server has not reached": {
    failure: { code: 504, reason: "Timeout", details: { causes: [{ reason: "ResourceVersionTooLarge" }] } },
    want: "Gone",
  },
  "a slow server": { failure: { code: 504, reason: "Timeout" }, want: "Timeout" },
  "a server that wants another try": { failure: { code: 500, reason: "ServerTimeout" }, want: "Timeout" },
  "a reason that we do not know": { failure: { code: 403, reason: "Unheard" }, want: "Forbidden" },
  "a proxy's bad gateway": { failure: { code: 502 }, want: "Unavailable" },
  "an unknown status of the client's": { failure: { code: 418 }, want: "BadRequest" },
  "an unknown status of the server's": { failure: { code: 599 }, want: "Internal" },
  "the word Conflict in a message means nothing": { failure: { code: 500, message: "Conflict" }, want: "Internal" },
};

describe("failureToKubernetesError", () => {
  for (const [sentence, { failure, want }] of Object.entries(failures)) {
    it(`${sentence}: ${want}`, () => assert.equal(failureToKubernetesError("get x", failure).code, want));
  }

  it("keeps the server's message and how long it asks us to wait", () => {
    const details = { retryAfterSeconds: 3 };
    const error = failureToKubernetesError("get x", { code: 429, message: "slow down", details });
    assert.equal(error.message, "Cannot get x: slow down");
    assert.deepEqual([error.serverMessage, error.status, error.retryAfterMs], ["slow down", 429, 3000]);
  });
});

const thrown: Record<string, { error: unknown; want: KubernetesErrorCode }> = {
  "no headers in time": { error: new errors.HeadersTimeoutError(), want: "Timeout" },
  "no bytes in time": { error: new errors.BodyTimeoutError(), want: "Timeout" },
  "no connection in time": { error: new errors.ConnectTimeoutError(), want: "Timeout" },
  "a deadline": { error: new DOMException("x", "TimeoutError"), want: "Timeout" },
  "a refused connection": { error: Object.assign(new Error("x"), { code: "ECONNREFUSED" }), want: "Unavailable" },
  "a cut connection": { error: new errors.SocketError("other side closed"), want: "Unavailable" },
  "an answer that is not JSON": { error: new SyntaxError("x"), want: "Internal" },
  "a mistake of ours": { error: new TypeError("x"), want: "Internal" },
};

describe("toKubernetesError", () => {
  for (const [sentence, { error, want }] of Object.entries(thrown)) {
    it(`${sentence}: ${want}, with its cause`, () => {
      const translated = toKubernetesError("get x", error);
      assert.deepEqual([translated.code, translated.cause], [want, error]);
    });
  }

  it("leaves a KubernetesError as it is", () => {
    const error = new KubernetesError({ code: "Gone", action: "a", serverMessage: "b" });
    assert.equal(toKubernetesError("x", error), error);
    assert(isKubernetesError(error, "NotFound", "Gone"));
    assert(!isKubernetesError(error, "NotFound"));
    assert(!isKubernetesError(new Error("Gone"), "Gone"));
  });
});

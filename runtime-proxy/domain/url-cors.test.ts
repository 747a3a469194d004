import assert from "node:assert/strict";
import type { Cors } from "../../crds/v1alpha1/invoke-config.ts";
import { isPreflight, preflightHeaders, withCors } from "./url-cors.ts";

function cors(changes: Partial<Cors> = {}): Cors {
  return { allowCredentials: false, maxAge: 0, allowOrigins: ["https://x"], allowMethods: ["GET", "PUT"], ...changes };
}
const asked = { origin: "https://x", "access-control-request-method": "PUT" };
const vary = "origin, access-control-request-method, access-control-request-headers";

describe("CORS of a function URL", () => {
  it("knows a preflight by its method and headers", () => {
    assert.equal(isPreflight("OPTIONS", asked), true);
    assert.equal(isPreflight("OPTIONS", { origin: "https://x" }), false);
    assert.equal(isPreflight("GET", asked), false);
  });

  const preflights: Record<string, { cors?: Partial<Cors>; headers?: Record<string, string>; want: object }> = {
    "invoke-api 33: the origin and what it may": {
      cors: { allowHeaders: ["x-a", "x-b"], maxAge: 60 },
      want: {
        "access-control-allow-origin": "https://x",
        "access-control-allow-methods": "GET,PUT",
        "access-control-allow-headers": "x-a,x-b",
        "access-control-max-age": "60",
      },
    },
    "nothing for another origin": { headers: { origin: "https://y" }, want: {} },
    "nothing for another method": { headers: { "access-control-request-method": "DELETE" }, want: {} },
    "nothing where no origin is allowed": { cors: { allowOrigins: undefined }, want: {} },
    "every origin": {
      cors: { allowOrigins: ["*"] },
      want: {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET,PUT",
        "access-control-max-age": "0",
      },
    },
    "with credentials names instead of *, as browsers want": {
      cors: { allowOrigins: ["*"], allowMethods: ["*"], allowHeaders: ["*"], allowCredentials: true },
      headers: { "access-control-request-headers": "x-a, authorization" },
      want: {
        "access-control-allow-origin": "https://x",
        "access-control-allow-methods": "PUT",
        "access-control-allow-headers": "x-a,authorization",
        "access-control-allow-credentials": "true",
        "access-control-max-age": "0",
      },
    },
  };
  for (const [title, { cors: changes, headers, want }] of Object.entries(preflights)) {
    it(`answers a preflight: ${title}`, () => {
      assert.deepEqual(preflightHeaders(cors(changes), { ...asked, ...headers }), { vary, ...want });
    });
  }

  it("replaces the function's CORS headers and leaves its others", () => {
    const own = { "access-control-allow-origin": "*", "access-control-anything": "1", "x-a": "1", vary: "accept" };
    assert.deepEqual(withCors(cors({ exposeHeaders: ["x-a"] }), "https://x", own), {
      "x-a": "1",
      vary: "accept, origin",
      "access-control-allow-origin": "https://x",
      "access-control-expose-headers": "x-a",
    });
    assert.deepEqual(withCors(cors(), "https://y", own), { "x-a": "1", vary: "accept, origin" });
    assert.deepEqual(withCors(cors({ allowOrigins: ["*"] }), undefined, own), { "x-a": "1", vary: "accept" });
  });
});

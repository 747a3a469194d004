import assert from "node:assert/strict";
import { routes } from "../crds/wire/routes.ts";
import {
  operatorToken,
  startTestStore,
  storeTestConfig,
  trustingVerifier,
  type RequestOptions,
  type TestStore,
} from "../test/kit/package-store-server.ts";
import { object, reader, zipSource } from "../test/kit/small-package.ts";
import { packagesConfigSchema, startPackages } from "./packages.ts";

describe("package store process", () => {
  let kit: TestStore;
  beforeEach(async () => void (kit = await startTestStore()));
  afterEach(async () => await kit.stop());

  interface Refused {
    readonly path: string;
    readonly options: RequestOptions;
    readonly status: number;
    readonly code: string;
    readonly message: RegExp;
  }
  const request = { namespace: "team-a", use: "code", source: zipSource };
  const refused: Record<string, Refused> = {
    "no token": { path: object, options: {}, status: 401, code: "Unauthorized", message: /no bearer token/ },
    "resolving as anybody": {
      path: routes.resolve,
      options: { token: reader, method: "POST", body: request },
      status: 403,
      code: "Forbidden",
      message: /as service account "team-a\/default": only "kubelambda\/operator" may/,
    },
    "resolving as the operator of another namespace": {
      path: routes.resolve,
      options: { token: "team-a/operator", method: "POST", body: request },
      status: 403,
      code: "Forbidden",
      message: /"team-a\/operator"/,
    },
    "references from anybody": {
      path: routes.references,
      options: { token: reader, method: "PUT", body: { references: {} } },
      status: 403,
      code: "Forbidden",
      message: /only "kubelambda\/operator" may/,
    },
    "an object of another namespace": {
      path: object,
      options: { token: "team-b/default" },
      status: 404,
      code: "PackageNotFound",
      message: /namespace "team-b" has no such package/,
    },
    "a digest that is none": {
      path: "/v1/objects/sha256/abc",
      options: { token: reader },
      status: 404,
      code: "NotFound",
      message: /no such path/,
    },
    "a path out of the store": {
      path: "/v1/objects/sha256/%2e%2e%2fx",
      options: { token: reader },
      status: 404,
      code: "NotFound",
      message: /no such path/,
    },
    "another method": {
      path: routes.resolve,
      options: { token: operatorToken },
      status: 405,
      code: "MethodNotAllowed",
      message: /only POST/,
    },
    "a body that is no JSON": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: "{" },
      status: 400,
      code: "BadRequest",
      message: /not JSON/,
    },
    "a source of no known type": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: { ...request, source: { type: "ftp" } } },
      status: 400,
      code: "BadRequest",
      message: /Cannot read the request/,
    },
    "a body past its bound": {
      path: routes.resolve,
      options: { token: operatorToken, method: "POST", body: "x".repeat(70_400_001) },
      status: 413,
      code: "BodyTooLarge",
      message: /longer than 70400000 bytes/,
    },
  };
  for (const [what, { path, options, status, code, message }] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      await kit.resolve(zipSource);
      const response = await kit.request(path, options);
      assert.equal(response.status, status);
      const body = (await response.json()) as { readonly code: string; readonly message: string };
      assert.equal(body.code, code);
      assert.match(body.message, message);
    });
  }

  it("lets the operator read everything", async () => {
    await kit.resolve(zipSource);
    assert.equal((await kit.request(object, { token: operatorToken })).status, 200);
  });

  it("tells its health and what it measured", async () => {
    await kit.resolve(zipSource);
    for (const path of ["/healthz", "/readyz"]) assert.equal((await fetch(`${kit.healthUrl}${path}`)).status, 200);
    const metrics = await (await fetch(`${kit.healthUrl}/metrics`)).text();
    assert.match(metrics, /kubelambda_packages_resolve_seconds_count\{source="zip",result="ok"\} 1/);
    assert.equal((await fetch(`${kit.healthUrl}/other`)).status, 404);
  });

  it("listens for what is pushed only where it is told a port for that", async () => {
    const { KUBELAMBDA_PUSH_PORT: told, ...config } = storeTestConfig(`${kit.directory}-without-pushes`);
    assert.equal(told, 0);
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const running = await startPackages(config, { verifyToken: trustingVerifier, nowMs: Date.now, log });
    await running.stop(0);
    assert.equal(running.pushPort, 0);
    assert.ok(running.port > 0 && running.healthPort > 0);
  });

  it("names the environment variable that is wrong", () => {
    const env = { KUBELAMBDA_PACKAGES_DIRECTORY: "/x", KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT: "operator" };
    assert.throws(() => packagesConfigSchema.parse(env), /KUBELAMBDA_OPERATOR_SERVICE_ACCOUNT|want namespace\/name/);
  });
});

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { routes } from "../../crds/wire/routes.ts";
import type { HttpRequest } from "../../lib/http/handler.ts";
import type { TokenCheck } from "../../lib/http/service-account-token.ts";
import { createGreetingServer } from "./announcement-server.ts";

const verifyToken = (authorization: string | undefined): Promise<TokenCheck> =>
  Promise.resolve(
    authorization === "Bearer right"
      ? { ok: true, identity: { namespace: "team", serviceAccount: "default" } }
      : { ok: false, reason: "it is another" },
  );

function ask(method: string, authorization: string): HttpRequest {
  const { signal } = new AbortController();
  const whenAnswered = (): void => undefined;
  const common = { path: routes.greeting, query: new URLSearchParams(), body: Readable.from([]), signal, whenAnswered };
  return { ...common, method, headers: { authorization } };
}

describe("greetings of agents", () => {
  const greet = createGreetingServer(verifyToken);

  it("are taken with the right token", async () => {
    assert.deepEqual(await greet(ask("POST", "Bearer right")), { status: 204 });
  });

  it("are refused with another one, and by another method", async () => {
    assert.equal((await greet(ask("POST", "Bearer wrong"))).status, 401);
    assert.equal((await greet(ask("GET", "Bearer right"))).status, 405);
  });
});

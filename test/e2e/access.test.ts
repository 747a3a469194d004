import assert from "node:assert/strict";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { waitUntil } from "../cluster/wait-until.ts";
import { release } from "./fixture.ts";
import { invoke, jsonOf, resultOf } from "./invoke.ts";
import { nodeFunction, Space } from "./space.ts";

/** Gives away what its SDK would use, which no real function should. */
const telling = `export const handler = async () => {
  const answer = await fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI, { headers: { authorization: process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN } });
  const own = await fetch(process.env.AWS_ENDPOINT_URL_LAMBDA + "/2015-03-31/functions/telling/invocations", { method: "POST" });
  return { status: answer.status, credentials: await answer.json(), unsigned: own.status };
};`;

describe("access on a real cluster", () => {
  let space: Space;
  let token: string;
  before(async () => {
    space = await Space.open("e2e-access");
    await space.serve("telling", nodeFunction(telling, { timeout: 20 }));
    await space.kubectl("create", "serviceaccount", "ci");
    token = (await space.kubectl("create", "token", "ci", "--audience", "lambda.kubelambda.dev")).trim();
  });
  after(async () => {
    await space.close();
  });

  async function callWith(authorization: string): Promise<number> {
    return (await invoke(space.system.routerUrl, "telling", {}, { authorization })).status;
  }

  it("is refused without credentials and with a token that may nothing, and given with a role", async () => {
    const nothing = await invoke(space.system.routerUrl, "telling", {}, { authorization: "" });
    assert.deepEqual([nothing.status, jsonOf(nothing)], [403, { message: "Missing Authentication Token" }]);
    assert.equal(await callWith(`Bearer ${token}`), 403);
    await space.kubectl(
      "create",
      "rolebinding",
      "ci",
      `--clusterrole=${release}-invoke`,
      "--serviceaccount=e2e-access:ci",
    );
    // A bare name is one of the account's own namespace.
    await waitUntil({ what: "the role to be known", timeoutMs: 30_000, everyMs: 500 }, async () =>
      (await callWith(`Bearer ${token}`)) === 200 ? true : undefined,
    );
  });

  it("is a function's own by its service account, whose credentials its SDK finds", async () => {
    const told = resultOf(await space.invoke("telling", {})) as {
      status: number;
      unsigned: number;
      credentials: Record<string, string>;
    };
    assert.deepEqual([told.status, told.unsigned], [200, 403]);
    const { AccessKeyId = "", SecretAccessKey = "", Token = "" } = told.credentials;
    const client = new LambdaClient({
      endpoint: space.system.routerUrl,
      region: "us-east-1",
      credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token },
      maxAttempts: 1,
    });
    const command = new InvokeCommand({ FunctionName: "telling" });
    try {
      await assert.rejects(
        client.send(command),
        /^AccessDeniedException: User: system:serviceaccount:e2e-access:default is not authorized/,
      );
      await space.kubectl(
        "create",
        "rolebinding",
        "self",
        `--clusterrole=${release}-invoke`,
        "--serviceaccount=e2e-access:default",
      );
      const answer = await waitUntil(
        { what: "the role to be known", timeoutMs: 30_000, everyMs: 500 },
        async () => await client.send(command).catch(() => undefined),
      );
      assert.equal(answer.StatusCode, 200);
    } finally {
      client.destroy();
    }
  });
});

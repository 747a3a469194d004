import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { runTop } from "../../operator/cli/top.ts";
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

  it("shows what functions do to who may list them, through the API server", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kl-top-"));
    try {
      await space.kubectl("create", "serviceaccount", "viewer");
      await space.kubectl(
        "create",
        "rolebinding",
        "viewer",
        "--clusterrole=view",
        "--serviceaccount=e2e-access:viewer",
      );
      const own = (await space.kubectl("create", "token", "viewer")).trim();
      const config = JSON.parse(await space.kubectl("config", "view", "--raw", "--minify", "-o", "json")) as {
        users: { user: object }[];
      };
      for (const user of config.users) user.user = { token: own };
      const kubeconfig = join(folder, "kubeconfig");
      await writeFile(kubeconfig, JSON.stringify(config));
      const top = async (...args: readonly string[]): Promise<{ status: number; text: string; notes: string }> => {
        const seen = { text: "", notes: "" };
        const status = await runTop(
          [...args, "--once"],
          { KUBECONFIG: kubeconfig },
          {
            write: (text) => void (seen.text += text),
            note: (text) => void (seen.notes += text),
            size: () => undefined,
            ending: new AbortController().signal,
          },
        );
        return { status, ...seen };
      };
      let last = { status: 0, text: "", notes: "" };
      const shown = await waitUntil({ what: "the role to be known", timeoutMs: 30_000, everyMs: 500 }, async () => {
        last = await top("-n", "e2e-access");
        return last.status === 0 ? last : undefined;
      }).catch((error: unknown) => {
        throw new Error(`It said last: ${last.notes}`, { cause: error });
      });
      assert.match(shown.text, /^FUNCTION +READY +BUSY .*\ntelling +1 +0 +0 +0 +[1-9]/);
      const refused = await top("-A");
      assert.deepEqual([refused.status, refused.text], [1, ""]);
      assert.match(refused.notes, /403: Cannot show functions in all namespaces: .*e2e-access:viewer.* may not list/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("leaves in the routers' metrics how its environment came up", async () => {
    const { items } = JSON.parse(
      await space.system.kubectl([
        ...["get", "pods", "-n", "kubelambda", "-l", "app.kubernetes.io/component=router", "-o", "json"],
      ]),
    ) as { items: { metadata: { name: string } }[] };
    const sums: Record<string, number> = { start: 0, fetch: 0, init: 0 };
    for (const { metadata } of items) {
      const path = `/api/v1/namespaces/kubelambda/pods/${metadata.name}:9090/proxy/metrics`;
      const text = await space.system.kubectl(["get", "--raw", path]);
      for (const name of Object.keys(sums))
        sums[name] =
          (sums[name] ?? 0) + Number(new RegExp(`^kubelambda_router_${name}_seconds_sum (.+)$`, "m").exec(text)?.[1]);
    }
    for (const [name, sum] of Object.entries(sums)) assert.ok(sum > 0 && sum < 120, `${name}: ${sum}`);
  });
});

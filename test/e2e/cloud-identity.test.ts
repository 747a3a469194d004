/** What a cloud's webhook injects into pods reaches the function and its extensions, and what is the cluster's own does not. */
import assert from "node:assert/strict";
import { API_VERSION } from "../../crds/names.ts";
import type { Pod } from "../../operator/pod.ts";
import { injected, startPodWebhook } from "./pod-webhook.ts";
import { nodeFunction, Space } from "./space.ts";

const extension = `#!/var/lang/bin/node
const { writeFileSync, readFileSync } = require("node:fs");
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2020-01-01/extension";
(async () => {
  writeFileSync("/tmp/extension.json", JSON.stringify({ env: process.env, token: readFileSync(process.env.AWS_WEB_IDENTITY_TOKEN_FILE, "utf8") }));
  const headers = { "Lambda-Extension-Name": "reader" };
  const answer = await fetch(api + "/register", { method: "POST", headers, body: JSON.stringify({ events: ["INVOKE"] }) });
  const id = answer.headers.get("lambda-extension-identifier");
  for (;;) await (await fetch(api + "/event/next", { headers: { "Lambda-Extension-Identifier": id } })).text();
})();
`;
const telling = `import { readFileSync } from "node:fs";
export const handler = async () => ({
  env: process.env, token: readFileSync(process.env.AWS_WEB_IDENTITY_TOKEN_FILE, "utf8"),
  extension: JSON.parse(readFileSync("/tmp/extension.json", "utf8")),
});`;

const own = { TZ: "Europe/Paris", LANG: "C", GREETING: "$HOME/x $(PATH)" };

interface Seen {
  readonly env: Readonly<Record<string, string>>;
  readonly token: string;
}

describe("a cloud identity that a webhook injects", () => {
  let space: Space;
  let endWebhook = (): Promise<void> => Promise.resolve();
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-identity");
    endWebhook = await startPodWebhook(space);
    await space.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "worker" } },
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "aws" },
        stringData: { id: "AKIDEXAMPLE", secret: "$(secret)" },
      },
      {
        apiVersion: API_VERSION,
        kind: "Layer",
        metadata: { name: "reader" },
        spec: { content: { files: { "extensions/reader": extension } } },
      },
    );
  });
  after(async () => {
    await endWebhook();
    await space.close();
  });

  it("packages 19: reaches function and extension, as their own variables do, and neither the agent nor a name of the platform", async () => {
    await space.serve(
      "identified",
      nodeFunction(telling, {
        serviceAccountName: "worker",
        layers: ["reader"],
        environment: { variables: own },
        timeout: 10,
        memorySize: 256,
      }),
    );
    const seen = (await space.call("identified", {})) as Seen & { readonly extension: Seen };
    for (const { env, token } of [seen, seen.extension]) {
      assert.deepEqual(Object.fromEntries(Object.keys(injected).map((name) => [name, env[name]])), injected);
      assert.deepEqual(Object.fromEntries(Object.keys(own).map((name) => [name, env[name]])), own);
      const { aud, sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
        string,
        unknown
      >;
      assert.deepEqual([aud, sub], [["sts.amazonaws.com"], `system:serviceaccount:${space.name}:worker`]);
      assert.deepEqual(
        Object.keys(env).filter((name) => /^KUBE(RNETES|LAMBDA)_/.test(name)),
        [],
      );
      assert.equal(env["AWS_REGION"], "us-east-1", "the function's region, as its ARN has it");
    }
    const { items } = JSON.parse(
      await space.kubectl(
        "get",
        "pods",
        "-l",
        "kubelambda.dev/component=environment,kubelambda.dev/function-uid",
        "-o",
        "json",
      ),
    ) as { items: Pod[] };
    const [pod] = items;
    const given = [...(pod?.spec.initContainers ?? []), ...(pod?.spec.containers ?? [])]
      .filter(({ env }) => env?.some(({ name }) => name === "AWS_ROLE_ARN") === true)
      .map(({ name }) => name);
    assert.deepEqual(given, ["runtime", "extension-1"]);
  });

  it("may be keys of a Secret instead, which win", async () => {
    const keys = {
      AWS_ACCESS_KEY_ID: { secretKeyRef: { name: "aws", key: "id" } },
      AWS_SECRET_ACCESS_KEY: { secretKeyRef: { name: "aws", key: "secret" } },
    };
    const source =
      "export const handler = async () => [process.env.AWS_ACCESS_KEY_ID, process.env.AWS_SECRET_ACCESS_KEY, process.env.AWS_ROLE_ARN];";
    await space.serve("keyed", nodeFunction(source, { environment: { valueFrom: keys }, timeout: 10 }));
    assert.deepEqual(await space.call("keyed", {}), ["AKIDEXAMPLE", "$(secret)", null]);
  });
});

/** From what the AWS CLI prints to an answer: `kubelambda import` and `kubectl apply`. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { Space } from "./space.ts";

/** Texts that one reader of YAML or another takes for something else. */
const variables = {
  YES: "yes",
  OCTAL: "0o17",
  FLOAT: "1e3",
  DATE: "2026-01-01",
  NULL: "null",
  TILDE: "~",
  UNDERSCORES: "1_000",
  HEX: "0x1F",
  SEXAGESIMAL: "1:30",
  BLANKS: " a ",
  LINES: "a\n  b\n\nc\n",
  COMMENT: "a # b: c",
  EMPTY: "",
  QUOTES: `"a" 'b' \\n`,
  EMOJI: "🦀\u0085",
};
const zip = zipBytes([
  {
    name: "index.mjs",
    content: "export const handler = async (names) => names.map((name) => process.env[name] ?? null);",
  },
]);
const arn = "arn:aws:lambda:eu-west-1:123456789012:function:Moved_In";
const configuration = {
  FunctionName: "Moved_In",
  FunctionArn: arn,
  Runtime: "nodejs24.x",
  Role: "arn:aws:iam::123456789012:role/moved-in",
  Handler: "index.handler",
  CodeSha256: createHash("sha256").update(zip).digest("base64"),
  Timeout: 10,
  MemorySize: 256,
  Version: "$LATEST",
  Environment: { Variables: variables },
  VpcConfig: { SubnetIds: ["subnet-1"], SecurityGroupIds: ["sg-1"], VpcId: "vpc-1" },
};

describe("a function that moves in from AWS", () => {
  let space: Space;
  let server: Server;
  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-import");
    server = createServer((_request, response) => response.end(zip));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await space.close();
  });

  it("is imported with its version and its alias, applied, and answers with every variable as it was", async () => {
    const location = `http://127.0.0.1:${(server.address() as AddressInfo).port}/code.zip`;
    const seven = { ...configuration, FunctionArn: `${arn}:7`, Version: "7" };
    const outputs = [
      { Configuration: configuration, Code: { Location: location } },
      { Versions: [configuration, seven] },
      { Aliases: [{ AliasArn: `${arn}:live`, Name: "live", FunctionVersion: "7" }] },
    ];
    const input = outputs.map((output) => JSON.stringify(output, null, 4)).join("\n");
    const args = [join(repositoryRoot, "operator/cli/main.ts"), "import", "--download", "-n", space.name, "-"];
    const manifests = await run(process.execPath, args, { input, timeoutMs: 60_000 });
    await space.system.kubectl(["apply", "-f", "-"], { input: manifests });
    const ready = ["fn/moved-in", "version/moved-in-7", "alias/moved-in-live"];
    await space.kubectl("wait", "--for=condition=Ready", ...ready, "--timeout=60s");
    const answer = await space.call("Moved_In:live", [...Object.keys(variables), "AWS_LAMBDA_FUNCTION_VERSION"]);
    assert.deepEqual(answer, [...Object.values(variables), "7"]);
    const { status } = await space.getFunction("moved-in");
    const ignored = status?.conditions?.find(({ type }) => type === "FieldsIgnored");
    assert.match(ignored?.message ?? "", /^spec\.role: .*; spec\.vpcConfig: /);
    assert.equal(status?.codeSHA256, configuration.CodeSha256);
  });
});

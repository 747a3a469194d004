/** `kubelambda import` on what the Lambda API can say by its model, and on what the real AWS CLI prints. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { after, before, describe, it } from "mocha";
import { parseAllDocuments } from "yaml";
import { assemble } from "../../operator/cli/import/assemble.ts";
import { manifestText } from "../../operator/cli/import/manifest-text.ts";
import { readOutput } from "../../operator/cli/import/outputs.ts";
import { repositoryRoot } from "../cluster/paths.ts";
import { run, RunError } from "../cluster/run.ts";
import { prepareTools, tool } from "../cluster/tools.ts";
import { corpusKinds } from "../kit/crd-corpus.ts";
import { ServiceModel } from "../kit/service-model.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const arn = (rest: string): string => `arn:aws:lambda:eu-west-1:123456789012:${rest}`;
const small = zipBytes([{ name: "index.mjs", content: "export const handler = async () => 1;" }]);
const sha256 = createHash("sha256").update(small).digest("base64");

describe("import", function () {
  this.timeout(300_000);
  before(() => prepareTools(() => undefined));

  describe("of anything that the model of the Lambda API allows", () => {
    let model: ServiceModel;
    before(() => {
      model = new ServiceModel();
    });
    const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
    const sha = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    const needed = {
      FunctionName: name,
      FunctionArn: name.map((each) => arn(`function:${each}`)),
      AliasArn: fc.tuple(name, name).map(([of, alias]) => arn(`function:${of}:${alias}x`)),
      Name: name.map((each) => `${each}x`),
      LayerVersionArn: fc
        .tuple(name, fc.integer({ min: 1, max: 9 }))
        .map(([of, number]) => arn(`layer:${of}:${number}`)),
      Arn: fc.tuple(name, fc.integer({ min: 1, max: 9 })).map(([of, number]) => arn(`layer:${of}:${number}`)),
      CodeSha256: sha,
      UUID: fc.uuid(),
      // More than Lambda's own limits is for managed instances.
      MemorySize: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 128, max: 10240 }) }, fc.constant(32768)),
      Timeout: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 900 }) }, fc.constant(5400)),
      PackageType: fc.oneof({ weight: 9, arbitrary: fc.constant("Zip") }, fc.constant("Image")),
      Runtime: fc.constantFrom("nodejs24.x", "python3.13"),
      Handler: fc.constant("index.handler"),
      FunctionUrl: fc.webUrl(),
      LastModified: fc.constant("2026-01-01T00:00:00.000+0000"),
      RequestedProvisionedConcurrentExecutions: fc.integer({ min: 1, max: 10 }),
    };
    const operations = [
      "GetFunction",
      "GetFunctionConfiguration",
      "ListFunctions",
      "ListVersionsByFunction",
      "ListAliases",
      "GetAlias",
      "GetLayerVersion",
      "ListLayers",
      "ListLayerVersions",
      "ListEventSourceMappings",
      "GetEventSourceMapping",
      "GetFunctionUrlConfig",
      "ListFunctionUrlConfigs",
      "GetProvisionedConcurrencyConfig",
      "ListProvisionedConcurrencyConfigs",
      "GetFunctionConcurrency",
      "GetFunctionEventInvokeConfig",
      "ListFunctionEventInvokeConfigs",
    ];
    for (const operation of operations) {
      it(`${operation}: what is written passes its schema, and what is not is said with its member`, () => {
        let written = 0;
        fc.assert(
          fc.property(model.output(operation, needed), (output) => {
            const given = JSON.parse(JSON.stringify(output)) as Readonly<Record<string, unknown>>;
            const { documents, problems } = assemble(readOutput(given, { name: "f", qualifier: "live" }));
            written += documents.length;
            for (const document of documents) {
              const { kind } = document.manifest;
              const [read, another] = parseAllDocuments(manifestText(document)).map((each) => each.toJS() as unknown);
              assert.equal(another, undefined);
              const parsed = corpusKinds.find((each) => each.kind === kind)!.parse(read);
              assert.ok(parsed.ok, JSON.stringify(parsed));
              assert.deepEqual(
                document.notes.filter((note) => note.endsWith("it is left out")),
                [],
              );
            }
            for (const problem of problems)
              assert.match(problem, /spec[:.]|import the output of|only get-|one page of/);
            const things = Object.values(given)
              .flat()
              .filter((thing) => thing !== "").length;
            assert.ok(documents.length + problems.length > 0 || things === 0, "it says nothing");
          }),
          { numRuns: 30 },
        );
        const isWhole =
          /^(Get|List)(Function|FunctionConfiguration|Functions|VersionsByFunction|Alias|Aliases|LayerVersion)$/;
        assert.ok(written > 0 || !isWhole.test(operation), "nothing is written of anything");
      });
    }
  });

  describe("of what the AWS CLI prints", () => {
    let server: Server;
    let endpoint: string;
    let folder: string;
    before(async () => {
      server = createServer((request, response) => {
        const path = decodeURIComponent((request.url ?? "").replace(/\?.*/, ""));
        if (path === "/code.zip") {
          response.end(small);
          return;
        }
        const answer = answers(endpoint)[path];
        response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
        response.end(JSON.stringify(answer ?? { Type: "User", Message: `no ${path}` }));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      folder = await mkdtemp(join(tmpdir(), "kubelambda-import-"));
    });
    after(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    });

    async function aws(command: string): Promise<string> {
      const env = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", HOME: folder, AWS_PAGER: "" };
      const args = ["lambda", ...command.split(" "), "--endpoint-url", endpoint, "--region", "eu-west-1"];
      return await run(tool("aws"), args, { timeoutMs: 60_000, env });
    }

    async function kubelambda(args: readonly string[], input = ""): Promise<string> {
      const all = [join(repositoryRoot, "operator/cli/main.ts"), "import", ...args];
      return await run(process.execPath, all, { timeoutMs: 60_000, input });
    }

    it("writes the same from one stream of many outputs, ready for kubectl apply", async () => {
      const printed = await Promise.all([
        aws("get-function --function-name orders"),
        aws("list-event-source-mappings --function-name orders"),
        aws("get-function-event-invoke-config --function-name orders"),
      ]);
      const others = [
        "/2015-03-31/functions/orders/versions",
        "/2015-03-31/functions/orders/aliases",
        "/2018-10-31/layers/tools/versions/3",
        "/2021-10-31/functions/orders/url",
        "/2019-09-30/functions/orders/provisioned-concurrency",
      ];
      const outputs = [...printed, ...others.map((path) => JSON.stringify(answers(endpoint)[path], null, 4) + "\n")];
      const text = await kubelambda(["-", "--download"], outputs.join(""));
      const manifests = parseAllDocuments(text).map((document) => document.toJS() as ManifestRead);
      assert.deepEqual(
        manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`),
        [
          "Layer/tools",
          "Function/orders",
          "Version/orders-7",
          "Alias/orders-live",
          "EventSourceMapping/orders-live-orders",
        ],
      );
      const specs = Object.fromEntries(manifests.map(({ kind, spec }) => [kind, spec]));
      const zipFile = small.toString("base64");
      assert.deepEqual(specs["Layer"], { content: { zipFile }, compatibleRuntimes: ["python3.13"] });
      assert.deepEqual(specs["Function"], {
        runtime: "python3.13",
        role: "arn:aws:iam::123456789012:role/orders",
        handler: "main.handler",
        timeout: 30,
        memorySize: 256,
        environment: { variables: { TABLE: "orders", FLAG: "yes" } },
        architectures: ["arm64"],
        tags: { team: "shop" },
        code: { zipFile },
        layers: ["tools"],
        functionEventInvokeConfig: {
          maximumRetryAttempts: 1,
          destinationConfig: { onFailure: { destination: "arn:aws:sqs:eu-west-1:123456789012:failed" } },
        },
      });
      assert.deepEqual(specs["Version"], {
        functionName: "orders",
        version: 7,
        codeSHA256: sha256,
        description: "seven",
      });
      assert.deepEqual(specs["Alias"], {
        name: "live",
        functionName: "orders",
        functionVersion: "7",
        routingConfig: { additionalVersionWeights: { "6": 0.25 } },
        functionURLConfig: { authType: "AWS_IAM", invokeMode: "RESPONSE_STREAM" },
        provisionedConcurrencyConfig: { provisionedConcurrentExecutions: 2 },
      });
      assert.deepEqual(specs["EventSourceMapping"], {
        functionName: "orders:live",
        batchSize: 5,
        eventSourceARN: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        startingPosition: "AT_TIMESTAMP",
        startingPositionTimestamp: "2026-01-01T00:00:00.000Z",
      });
    });

    it("writes a folder, takes outputs that do not say what they are of, and fails where something is left", async () => {
      const file = (name: string): string => join(folder, name);
      const { Configuration } = answers(endpoint)["/2015-03-31/functions/orders"] as { Configuration: object };
      await writeFile(file("list.json"), JSON.stringify({ Functions: [Configuration] }));
      await writeFile(file("concurrency.json"), await aws("get-function-concurrency --function-name orders"));
      const args = ["-o", file("out"), "-n", "shop", file("list.json")];
      await kubelambda([...args, `orders=${file("concurrency.json")}`]);
      assert.deepEqual(await readdir(file("out")), ["function-orders.yaml"]);
      const [written] = parseAllDocuments(await readFile(file("out/function-orders.yaml"), "utf8"));
      const { metadata, spec } = written?.toJS() as ManifestRead;
      assert.deepEqual(metadata, { name: "orders", namespace: "shop" });
      assert.equal(spec["reservedConcurrentExecutions"], 5);
      assert.deepEqual(spec["code"], { digest: `sha256:${Buffer.from(sha256, "base64").toString("hex")}` });
      await assert.rejects(kubelambda([...args, file("concurrency.json")]), (error) => {
        assert.ok(error instanceof RunError);
        assert.match(error.message, /concurrency\.json": the output of get-function-concurrency does not say/);
        return true;
      });
    });
  });
});

interface ManifestRead {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Path → what the Lambda API answers. Source: Lambda API reference. */
function answers(endpoint: string): Readonly<Record<string, object>> {
  const configuration = {
    FunctionName: "orders",
    FunctionArn: arn("function:orders"),
    Runtime: "python3.13",
    Role: "arn:aws:iam::123456789012:role/orders",
    Handler: "main.handler",
    CodeSize: small.length,
    CodeSha256: sha256,
    Description: "",
    Timeout: 30,
    MemorySize: 256,
    LastModified: "2026-01-01T00:00:00.000+0000",
    Version: "$LATEST",
    VpcConfig: { SubnetIds: [], SecurityGroupIds: [], VpcId: "", Ipv6AllowedForDualStack: false },
    Environment: { Variables: { TABLE: "orders", FLAG: "yes" } },
    KMSKeyArn: null,
    TracingConfig: { Mode: "PassThrough" },
    RevisionId: "e1b2b2a0-0000-4000-8000-000000000000",
    Layers: [{ Arn: arn("layer:tools:3"), CodeSize: 5 }],
    State: "Active",
    LastUpdateStatus: "Successful",
    PackageType: "Zip",
    Architectures: ["arm64"],
    EphemeralStorage: { Size: 512 },
    SnapStart: { ApplyOn: "None", OptimizationStatus: "Off" },
    RuntimeVersionConfig: {
      RuntimeVersionArn:
        "arn:aws:lambda:eu-west-1::runtime:0cdcfbdefbc5e7d3343f73c2e2dd3cba17d61dea0686b404502a0c9ce83931b9",
    },
    LoggingConfig: { LogFormat: "Text", LogGroup: "/aws/lambda/orders" },
  };
  const seven = { ...configuration, FunctionArn: arn("function:orders:7"), Version: "7", Description: "seven" };
  const location = `${endpoint}/code.zip`;
  return {
    "/2015-03-31/functions/orders": {
      Configuration: configuration,
      Code: { RepositoryType: "S3", Location: location },
      Tags: { team: "shop" },
    },
    "/2015-03-31/functions/orders/versions": { Versions: [configuration, seven] },
    "/2015-03-31/functions/orders/aliases": {
      Aliases: [
        {
          AliasArn: arn("function:orders:live"),
          Name: "live",
          FunctionVersion: "7",
          Description: "",
          RoutingConfig: { AdditionalVersionWeights: { "6": 0.25 } },
          RevisionId: "r",
        },
      ],
    },
    "/2018-10-31/layers/tools/versions/3": {
      Content: { Location: location, CodeSha256: sha256, CodeSize: small.length },
      LayerArn: arn("layer:tools"),
      LayerVersionArn: arn("layer:tools:3"),
      CreatedDate: "2026-01-01T00:00:00.000+0000",
      Version: 3,
      CompatibleRuntimes: ["python3.13"],
    },
    "/2015-03-31/event-source-mappings": {
      EventSourceMappings: [
        {
          UUID: "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
          BatchSize: 5,
          MaximumBatchingWindowInSeconds: null,
          EventSourceArn: "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
          FunctionArn: arn("function:orders:live"),
          StartingPosition: "AT_TIMESTAMP",
          StartingPositionTimestamp: 1767225600,
          LastModified: 1767225600,
          LastProcessingResult: "OK",
          State: "Enabled",
          StateTransitionReason: "User action",
          DestinationConfig: { OnFailure: {} },
        },
      ],
    },
    "/2021-10-31/functions/orders/url": {
      FunctionUrl: "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws/",
      FunctionArn: arn("function:orders:live"),
      AuthType: "AWS_IAM",
      CreationTime: "2026-01-01T00:00:00.000Z",
      LastModifiedTime: "2026-01-01T00:00:00.000Z",
      InvokeMode: "RESPONSE_STREAM",
    },
    "/2019-09-30/functions/orders/provisioned-concurrency": {
      ProvisionedConcurrencyConfigs: [
        {
          FunctionArn: arn("function:orders:live"),
          RequestedProvisionedConcurrentExecutions: 2,
          AvailableProvisionedConcurrentExecutions: 2,
          AllocatedProvisionedConcurrentExecutions: 2,
          Status: "READY",
          LastModified: "2026-01-01T00:00:00+0000",
        },
      ],
    },
    "/2019-09-30/functions/orders/concurrency": { ReservedConcurrentExecutions: 5 },
    "/2019-09-25/functions/orders/event-invoke-config": {
      LastModified: 1767225600,
      FunctionArn: arn("function:orders:$LATEST"),
      MaximumRetryAttempts: 1,
      DestinationConfig: { OnSuccess: {}, OnFailure: { Destination: "arn:aws:sqs:eu-west-1:123456789012:failed" } },
    },
  };
}

import assert from "node:assert/strict";
import { describe, it } from "mocha";
import { assemble, type Assembled } from "./assemble.ts";
import { functionNamed } from "./arns.ts";
import { readOutput } from "./outputs.ts";

const arn = (rest: string): string => `arn:aws:lambda:eu-west-1:123456789012:${rest}`;
const sha256 = (letter: string): string => Buffer.alloc(32, letter).toString("base64");
const digest = (letter: string): string => `sha256:${Buffer.alloc(32, letter).toString("hex")}`;
const configuration = {
  FunctionName: "f",
  FunctionArn: arn("function:f"),
  Runtime: "nodejs22.x",
  Handler: "index.handler",
  MemorySize: 128,
  Timeout: 3,
  CodeSha256: sha256("a"),
  Version: "$LATEST",
};
const version = (number: string, changes: object = {}): object => ({
  ...configuration,
  FunctionArn: arn(`function:f:${number}`),
  Version: number,
  ...changes,
});
const aliases = {
  Aliases: [{ AliasArn: arn("function:f:live"), Name: "live", FunctionVersion: "7", Description: "", RevisionId: "r" }],
};
const spec = {
  runtime: "nodejs22.x",
  handler: "index.handler",
  memorySize: 128,
  timeout: 3,
  code: { digest: digest("a") },
};
const layer = (version: number, letter: string, account = "123456789012"): object => ({
  Content: { CodeSha256: sha256(letter), CodeSize: 5 },
  LayerVersionArn: `arn:aws:lambda:eu-west-1:${account}:layer:tools:${version}`,
  Version: version,
});

/** Documents, each perhaps with what it is of. */
function imported(...documents: readonly (object | readonly [string, object])[]): Assembled {
  const found = documents.flatMap((each) => {
    const [of, document] = Array.isArray(each) ? (each as [string, object]) : [undefined, each];
    return readOutput(document, functionNamed(of ?? ""));
  });
  return assemble(found);
}

function written({ documents }: Assembled): readonly (readonly [string, string, unknown])[] {
  return documents.map(({ manifest }) => [manifest.kind, manifest.metadata.name, manifest.spec] as const);
}

const cases: Record<
  string,
  { readonly given: Assembled; readonly want: readonly (readonly [string, string, unknown])[] }
> = {
  "a configuration": { given: imported(configuration), want: [["Function", "f", spec]] },
  "a list as --query prints it": { given: imported(["", [configuration]]), want: [["Function", "f", spec]] },
  "a name that is no object's name": {
    given: imported({ ...configuration, FunctionName: "My_F", FunctionArn: arn("function:My_F") }),
    want: [["Function", "my-f", { name: "My_F", ...spec }]],
  },
  "names that are alike but for their case": {
    given: imported(
      { ...configuration, FunctionName: "f_1", FunctionArn: arn("function:f_1") },
      { ...configuration, FunctionName: "F-1", FunctionArn: arn("function:F-1") },
    ),
    want: [
      ["Function", "f-1", { name: "f_1", ...spec }],
      ["Function", "f-1-2ed01db0", { name: "F-1", ...spec }],
    ],
  },
  "what two outputs say of one function": {
    given: imported(configuration, {
      Configuration: configuration,
      Tags: { team: "a" },
      Concurrency: { ReservedConcurrentExecutions: 0 },
    }),
    want: [["Function", "f", { ...spec, tags: { team: "a" }, reservedConcurrentExecutions: 0 }]],
  },
  "an image, by its digest": {
    given: imported({
      Configuration: {
        ...configuration,
        PackageType: "Image",
        Runtime: null,
        Handler: null,
        ImageConfigResponse: { ImageConfig: { Command: ["app.handler"] } },
      },
      Code: { ImageUri: "r/f:1", ResolvedImageUri: "r/f@sha256:1" },
    }),
    want: [
      [
        "Function",
        "f",
        {
          memorySize: 128,
          timeout: 3,
          packageType: "Image",
          imageConfig: { command: ["app.handler"] },
          code: { imageURI: "r/f@sha256:1" },
        },
      ],
    ],
  },
  "versions that are as $LATEST is": {
    given: imported(
      { Versions: [configuration, version("6", { Timeout: 9 }), version("7", { Description: "seven" })] },
      aliases,
    ),
    want: [
      ["Function", "f", spec],
      ["Version", "f-7", { functionName: "f", version: 7, codeSHA256: sha256("a"), description: "seven" }],
      ["Alias", "f-live", { name: "live", functionName: "f", functionVersion: "7" }],
    ],
  },
  "a version alone": {
    given: imported({ Configuration: version("7", { FunctionArn: arn("function:f:live") }) }),
    want: [
      ["Function", "f", spec],
      ["Version", "f-7", { functionName: "f", version: 7, codeSHA256: sha256("a") }],
    ],
  },
  "settings that AWS keeps apart": {
    given: imported(
      configuration,
      aliases,
      {
        FunctionUrl: "https://x",
        FunctionArn: arn("function:f:live"),
        AuthType: "NONE",
        Cors: { AllowOrigins: ["*"] },
      },
      {
        FunctionArn: arn("function:f:$LATEST"),
        LastModified: 1,
        MaximumRetryAttempts: 1,
        DestinationConfig: { OnFailure: {} },
      },
      ["f:live", { RequestedProvisionedConcurrentExecutions: 3, Status: "READY" }],
      ["f", { ReservedConcurrentExecutions: 4 }],
    ),
    want: [
      [
        "Function",
        "f",
        { ...spec, functionEventInvokeConfig: { maximumRetryAttempts: 1 }, reservedConcurrentExecutions: 4 },
      ],
      [
        "Alias",
        "f-live",
        {
          name: "live",
          functionName: "f",
          functionVersion: "7",
          functionURLConfig: { authType: "NONE", cors: { allowOrigins: ["*"] } },
          provisionedConcurrencyConfig: { provisionedConcurrentExecutions: 3 },
        },
      ],
    ],
  },
  "two versions of a layer, and another account's of the same name": {
    given: imported(layer(3, "a"), layer(5, "b"), layer(4, "c", "999999999999"), {
      ...configuration,
      Layers: [{ Arn: arn("layer:tools:3") }, { Arn: "arn:aws:lambda:eu-west-1:999999999999:layer:tools:4" }],
    }),
    want: [
      ["Layer", "tools-v3", { content: { digest: digest("a") } }],
      ["Layer", "tools", { content: { digest: digest("b") } }],
      ["Layer", "tools-v4", { content: { digest: digest("c") } }],
      ["Function", "f", { ...spec, layers: ["tools-v3", "tools-v4"] }],
    ],
  },
  "an event source mapping of an alias, disabled": {
    given: imported({
      EventSourceMappings: [
        {
          UUID: "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
          FunctionArn: arn("function:f:live"),
          EventSourceArn: "arn:aws:kinesis:eu-west-1:123456789012:stream/s",
          StartingPosition: "AT_TIMESTAMP",
          StartingPositionTimestamp: 1767225600,
          State: "Disabled",
          DestinationConfig: { OnFailure: {} },
          FilterCriteria: { Filters: [{ Pattern: "{}" }] },
        },
      ],
    }),
    want: [
      [
        "EventSourceMapping",
        "f-live-s",
        {
          functionName: "f:live",
          eventSourceARN: "arn:aws:kinesis:eu-west-1:123456789012:stream/s",
          startingPosition: "AT_TIMESTAMP",
          startingPositionTimestamp: "2026-01-01T00:00:00.000Z",
          enabled: false,
          filterCriteria: { filters: [{ pattern: "{}" }] },
        },
      ],
    ],
  },
};

const problems: Record<string, { readonly given: Assembled; readonly says: RegExp }> = {
  "a value that is not Lambda's here": {
    given: imported({ ...configuration, MemorySize: 32768 }),
    says: /Function "f".*spec\.memorySize: Invalid value: 32768: .*less than or equal to 10240/,
  },
  "a member of another type": {
    given: imported({ ...configuration, FunctionName: 7 }),
    says: /^FunctionName: Invalid input: expected string/,
  },
  "a member of an item": {
    given: imported({ Functions: [configuration, { ...configuration, Layers: [{ Arn: "x" }] }] }),
    says: /^Functions\[1\]\.Layers\[0\]\.Arn "x" is no layer version's ARN$/,
  },
  "an image without its name": {
    given: imported({ ...configuration, PackageType: "Image" }),
    says: /Function "f": only get-function names the image: aws lambda get-function --function-name f --region eu-west-1$/,
  },
  "a layer without its content": {
    given: imported({ LayerVersions: [{ LayerVersionArn: arn("layer:tools:3"), Version: 3 }] }),
    says: /Layer "tools": only get-layer-version names its content: aws lambda get-layer-version-by-arn --arn arn:/,
  },
  "an output that does not name its function": {
    given: imported({ ReservedConcurrentExecutions: 1 }),
    says: /get-function-concurrency does not say which function it is of: give it as NAME=FILE/,
  },
  "a setting of a function that is not there": {
    given: imported(["f:live", { RequestedProvisionedConcurrentExecutions: 3 }]),
    says: /provisionedConcurrencyConfig of alias or version "f:live": import the output of list-aliases/,
  },
  "one page of a list": {
    given: imported({ Functions: [configuration], NextMarker: "x" }),
    says: /one page of list-functions/,
  },
  "another document": {
    given: imported({ Buckets: [] }),
    says: /none of these outputs of "aws lambda": get-function, /,
  },
};

const notes: Record<string, { readonly given: Assembled; readonly says: RegExp }> = {
  "a role": {
    given: imported({ ...configuration, Role: "arn:aws:iam::1:role/r" }),
    says: /spec\.role: permissions are those of/,
  },
  "how to push the zip": {
    given: imported(configuration),
    says: /spec\.code: fetch the zip and push it: curl -fo f\.zip "\$\(aws lambda get-function --function-name f --region eu-west-1 --query Code\.Location --output text\)" && kubelambda push f\.zip/,
  },
  "a version that differs": {
    given: imported({ Versions: [configuration, version("6", { Timeout: 9 })] }),
    says: /version 6 is not written: .*--function-name f --qualifier 6/,
  },
  "an alias that will wait": {
    given: imported(configuration, aliases),
    says: /version 7 of "f" is not among what was imported/,
  },
  "variables that AWS did not show": {
    given: imported({ ...configuration, Environment: { Error: { ErrorCode: "AccessDeniedException" } } }),
    says: /Environment\.Error has no counterpart here: AWS did not show the variables/,
  },
};

describe("import of the AWS CLI's output", () => {
  for (const [name, { given, want }] of Object.entries(cases)) {
    it(`writes ${name}`, () => {
      assert.deepEqual(given.problems, []);
      assert.deepEqual(JSON.parse(JSON.stringify(written(given))), JSON.parse(JSON.stringify(want)));
    });
  }
  for (const [name, { given, says }] of Object.entries(problems)) {
    it(`does not write ${name}, and says why`, () => {
      assert.equal(given.problems.length, 1, given.problems.join("\n"));
      assert.match(given.problems[0] ?? "", says);
    });
  }
  for (const [name, { given, says }] of Object.entries(notes)) {
    it(`says of ${name} what to do`, () => {
      const all = given.documents.flatMap((document) => document.notes);
      assert.ok(
        all.some((note) => says.test(note)),
        all.join("\n"),
      );
    });
  }
});

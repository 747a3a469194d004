import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "mocha";
import { corpusKinds } from "../../../test/kit/crd-corpus.ts";
import { assemble, type Assembled } from "./assemble.ts";
import { readDocuments } from "./read-documents.ts";
import { isTemplate, readTemplate } from "./template.ts";

function imported(template: string, parameters: Readonly<Record<string, string>> = {}): Assembled {
  const read = readDocuments(template);
  assert.ok(read.ok);
  const [document] = read.documents;
  assert.ok(isTemplate(document));
  return assemble(readTemplate(document, { directory: "/t", parameters: new Map(Object.entries(parameters)) }));
}

/** A template of one SAM function, its properties as YAML flow. */
function sam(properties: string, rest = ""): string {
  return `
Parameters: { Stage: { Type: String, Default: dev }, Table: { Type: String } }
Mappings: { Sizes: { dev: { memory: 256 }, prod: { memory: 1024 } } }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  IsDev: !Not [!Condition IsProd]
  HasTable: !Not [!Equals [!Ref Table, ""]]
Globals: { Function: { Runtime: nodejs22.x, Environment: { Variables: { STAGE: !Ref Stage } } } }
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties: { Handler: index.handler, CodeUri: "s3://bucket/k.zip", ${properties} }
${rest}`;
}

type Written = readonly (readonly [string, string, object])[];

const base = {
  name: "Hello",
  runtime: "nodejs22.x",
  environment: { variables: { STAGE: "dev" } },
  handler: "index.handler",
  code: { s3Bucket: "bucket", s3Key: "k.zip" },
};
const hello = (more: object, name = "hello"): readonly [string, string, object] => [
  "Function",
  name,
  { ...base, ...more },
];

const cases: Record<string, { readonly given: Assembled; readonly want: Written }> = {
  "Globals below a function": {
    given: imported(sam("Environment: { Variables: { AB: c } }")),
    want: [hello({ environment: { variables: { STAGE: "dev", AB: "c" } } })],
  },
  "parameters that are given": {
    given: imported(sam('Description: !Sub "${Stage} ${!Stage} ${AWS::Region}"'), {
      Stage: "prod",
      "AWS::Region": "r",
    }),
    want: [hello({ environment: { variables: { STAGE: "prod" } }, description: "prod ${Stage} r" })],
  },
  "If, FindInMap, Join, Select and Split": {
    given: imported(
      sam(
        'Timeout: !If [IsProd, 30, 10], MemorySize: !FindInMap [Sizes, !Ref Stage, memory], Description: !Join ["-", [a, !Select [1, !Split [".", "x.y"]]]]',
      ),
    ),
    want: [hello({ timeout: 10, memorySize: 256, description: "a-y" })],
  },
  "NoValue as nothing": {
    given: imported(sam("Description: !If [IsDev, !Ref AWS::NoValue, x]")),
    want: [hello({})],
  },
  "numbers for texts and texts for numbers, as CloudFormation takes them": {
    given: imported(sam("Timeout: !Ref Seconds, Environment: { Variables: { PORT: 8080, ON: true } }"), {
      Seconds: "7",
    }),
    want: [hello({ timeout: 7, environment: { variables: { STAGE: "dev", PORT: "8080", ON: "true" } } })],
  },
  "SAM's own names": {
    given: imported(
      sam('Tracing: Active, DeadLetterQueue: { Type: SQS, TargetArn: "arn:aws:sqs:r:1:q" }, Tags: { a: b }'),
    ),
    want: [
      hello({
        tracingConfig: { mode: "Active" },
        deadLetterConfig: { targetARN: "arn:aws:sqs:r:1:q" },
        tags: { a: "b" },
      }),
    ],
  },
  "an alias that follows": {
    given: imported(sam("AutoPublishAlias: live")),
    want: [hello({ autoPublishAlias: "live" })],
  },
  "an alias with settings of its own": {
    given: imported(
      sam("AutoPublishAlias: live, ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 }"),
    ),
    want: [
      hello({ publish: true }),
      [
        "Alias",
        "hello-live",
        { name: "live", functionName: "Hello", provisionedConcurrencyConfig: { provisionedConcurrentExecutions: 2 } },
      ],
    ],
  },
  "sources of events": {
    given: imported(
      sam(
        'Events: { Work: { Type: SQS, Properties: { Queue: !GetAtt Q.Arn, BatchSize: 5 } }, Own: { Type: SelfManagedKafka, Properties: { KafkaBootstrapServers: ["k:9092"], Topics: [t1] } } }',
      ),
      { "Q.Arn": "arn:aws:sqs:r:1:work" },
    ),
    want: [
      hello({}),
      [
        "EventSourceMapping",
        "hello-work",
        { functionName: "Hello", batchSize: 5, eventSourceARN: "arn:aws:sqs:r:1:work" },
      ],
      [
        "EventSourceMapping",
        "hello-t1",
        {
          functionName: "Hello",
          topics: ["t1"],
          selfManagedEventSource: { endpoints: { KAFKA_BOOTSTRAP_SERVERS: ["k:9092"] } },
          startingPosition: "TRIM_HORIZON",
        },
      ],
    ],
  },
  "a layer of the template": {
    given: imported(
      sam(
        "Layers: [!Ref Tools]",
        `  Tools: { Type: AWS::Serverless::LayerVersion, Properties: { LayerName: tools, ContentUri: { Bucket: bucket, Key: l.zip, Version: "7" } } }`,
      ),
    ),
    want: [
      ["Layer", "tools", { content: { s3Bucket: "bucket", s3Key: "l.zip", s3ObjectVersion: "7" } }],
      hello({ layers: ["tools"] }),
    ],
  },
  "CloudFormation's own resources": {
    given: imported(`
Resources:
  Fn:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: fn
      Runtime: python3.13
      Handler: index.handler
      Code: { ZipFile: "handler = lambda event, context: 1" }
      Tags: [{ Key: a, Value: b }]
  V1: { Type: AWS::Lambda::Version, Properties: { FunctionName: !Ref Fn, Description: first } }
  Live:
    Type: AWS::Lambda::Alias
    Properties: { FunctionName: !GetAtt Fn.Arn, Name: live, FunctionVersion: !GetAtt V1.Version, RoutingConfig: { AdditionalVersionWeights: [{ FunctionVersion: "9", FunctionWeight: 0.1 }] } }
  Url: { Type: AWS::Lambda::Url, Properties: { TargetFunctionArn: !Ref Fn, Qualifier: live, AuthType: NONE } }
  Source: { Type: AWS::Lambda::EventSourceMapping, Properties: { FunctionName: !Ref Fn, EventSourceArn: "arn:aws:sqs:r:1:q", Enabled: false } }`),
    want: [
      [
        "Function",
        "fn",
        {
          runtime: "python3.13",
          handler: "index.handler",
          tags: { a: "b" },
          code: { files: { "index.py": "handler = lambda event, context: 1" } },
        },
      ],
      ["Version", "fn-v1", { functionName: "fn", description: "first" }],
      [
        "Alias",
        "fn-live",
        {
          name: "live",
          functionName: "fn",
          functionVersion: "fn-v1",
          routingConfig: { additionalVersionWeights: { "9": 0.1 } },
          functionURLConfig: { authType: "NONE" },
        },
      ],
      ["EventSourceMapping", "fn-q", { functionName: "fn", eventSourceARN: "arn:aws:sqs:r:1:q", enabled: false }],
    ],
  },
  "only resources whose condition holds": {
    given: imported(
      sam(
        "Description: x",
        `  Other: { Type: AWS::Serverless::Function, Condition: IsProd, Properties: { Handler: a.b } }`,
      ),
    ),
    want: [hello({ description: "x" })],
  },
};

const notes: Record<string, { readonly given: Assembled; readonly says: RegExp }> = {
  "a value that is not known": {
    given: imported(sam("Environment: { Variables: { TABLE: !Ref Table, ARN: !GetAtt Db.Arn } }")),
    says: /^TODO Environment\.Variables\.ARN: !GetAtt Db\.Arn is not known here: set it, or import with --parameter 'Db\.Arn=…'$/,
  },
  "a condition that is not known": {
    given: imported(sam("Description: !If [HasTable, a, b]")),
    says: /^TODO Description: !Ref Table is not known here: set it, or import with --parameter 'Table=…'$/,
  },
  "an imported value": {
    given: imported(sam("Description: !ImportValue x")),
    says: /^TODO Description: !ImportValue "x" is not known here: set it$/,
  },
  policies: {
    given: imported(sam("Policies: [x]")),
    says: /^Policies has no counterpart here: permissions in the cluster/,
  },
  "a way in over HTTP": {
    given: imported(sam("Events: { A: { Type: Api } }")),
    says: /^Hello\.Events\.A \(Api\) has no counterpart here: put an Ingress/,
  },
  "a schedule": {
    given: imported(sam("Events: { A: { Type: Schedule } }")),
    says: /\(Schedule\) has no counterpart here: make an EventSourceMapping/,
  },
  "another resource of SAM's": {
    given: imported(sam("Timeout: 3", "  Api: { Type: AWS::Serverless::HttpApi }")),
    says: /^Api \(AWS::Serverless::HttpApi\) has no counterpart here/,
  },
};

const problems: Record<string, { readonly given: Assembled; readonly says: RegExp }> = {
  "a source of events whose ARN is not known": {
    given: imported(sam("Events: { Work: { Type: SQS, Properties: { Queue: !GetAtt Q.Arn } } }")),
    says: /exactly one source is needed: eventSourceARN.*; TODO EventSourceArn: !GetAtt Q\.Arn is not known here: .*'Q\.Arn=…'/,
  },
  "code that is not known": {
    given: imported(sam("Timeout: 3").replace('"s3://bucket/k.zip"', "!Ref Table")),
    says: /Function "Hello": TODO CodeUri: !Ref Table is not known here/,
  },
  "a handler that is not known": {
    given: imported(sam("Timeout: 3").replace("index.handler", "!Ref Table")),
    says: /Function "hello".*handler is needed for packageType Zip.*TODO Handler: !Ref Table/,
  },
  "a template without functions": {
    given: imported("Resources: { B: { Type: AWS::S3::Bucket } }"),
    says: /the template has no resource of AWS::Serverless or AWS::Lambda/,
  },
};

describe("import of a template", () => {
  for (const [name, { given, want }] of Object.entries(cases)) {
    it(`writes ${name}`, () => {
      assert.deepEqual(given.problems, []);
      const written = given.documents.map(({ manifest }) => [manifest.kind, manifest.metadata.name, manifest.spec]);
      assert.deepEqual(JSON.parse(JSON.stringify(written)), JSON.parse(JSON.stringify(want)));
    });
  }
  for (const [name, { given, says }] of Object.entries(notes)) {
    it(`says of ${name} what to do`, () => {
      const all = [...given.notes, ...given.documents.flatMap((document) => document.notes)];
      assert.ok(
        all.some((note) => says.test(note)),
        all.join("\n"),
      );
    });
  }
  for (const [name, { given, says }] of Object.entries(problems)) {
    it(`does not write ${name}, and says why`, () => {
      assert.equal(given.problems.length, 1, given.problems.join("\n"));
      assert.match(given.problems[0] ?? "", says);
    });
  }
});

describe("import of any template", () => {
  const types = [
    "Function",
    "LayerVersion",
    "Version",
    "Alias",
    "EventSourceMapping",
    "Url",
    "EventInvokeConfig",
    "Permission",
  ];
  const names = [
    ...["FunctionName", "CodeUri", "Code", "InlineCode", "ImageUri", "Handler", "Runtime", "Layers", "Events", "Tags"],
    ...["Environment", "AutoPublishAlias", "FunctionUrlConfig", "DeadLetterQueue", "Tracing", "RoutingConfig", "Name"],
    ...[
      "ContentUri",
      "LayerName",
      "EventSourceArn",
      "TargetFunctionArn",
      "Qualifier",
      "PackageType",
      "constructor",
      "__proto__",
    ],
  ];
  const word = fc.constantFrom(
    "A",
    "B",
    "x",
    "A.Arn",
    "AWS::NoValue",
    "constructor",
    "__proto__",
    "SQS",
    "Api",
    "${A}-${B.Arn}",
    "s3://b/k",
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      word,
      fc.constantFrom(null, 1, true, ""),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(
        fc.oneof(word, fc.constantFrom("Type", "Properties", "Key", "Value", "S3Bucket", "ZipFile", "Variables")),
        tie("value"),
        { maxKeys: 3 },
      ),
      fc
        .tuple(
          fc.constantFrom(
            "Ref",
            "Fn::Sub",
            "Fn::GetAtt",
            "Fn::Join",
            "Fn::If",
            "Fn::Select",
            "Fn::Split",
            "Fn::FindInMap",
            "Fn::Equals",
            "Fn::X",
          ),
          tie("value"),
        )
        .map(([name, argument]) => ({ [name]: argument })),
    ),
  })).value;
  const anyOr = (given: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 4, arbitrary: given }, value);
  const resource = fc.record(
    {
      Type: fc
        .tuple(fc.constantFrom("AWS::Serverless::", "AWS::Lambda::"), fc.constantFrom(...types))
        .map((parts) => parts.join("")),
      Properties: anyOr(fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 8 })),
      Condition: fc.constantFrom("A", "constructor"),
      Metadata: value,
    },
    { requiredKeys: ["Type", "Properties"] },
  );
  const template = fc.record(
    {
      Resources: fc.dictionary(fc.constantFrom("A", "B", "C"), anyOr(resource), { minKeys: 1 }),
      Parameters: anyOr(fc.dictionary(word, value)),
      Conditions: anyOr(fc.dictionary(word, value)),
      Mappings: value,
      Globals: anyOr(fc.dictionary(fc.constantFrom("Function", "LayerVersion"), value)),
    },
    { requiredKeys: ["Resources"] },
  );

  it("ends in manifests that pass their schema, or says what is wrong", () => {
    fc.assert(
      fc.property(template, (given) => {
        const context = { directory: "/t", parameters: new Map([["B", "given"]]) };
        const { documents, problems, notes: told } = assemble(readTemplate(given, context));
        for (const { manifest } of documents) {
          const parsed = corpusKinds
            .find(({ kind }) => kind === manifest.kind)!
            .parse(JSON.parse(JSON.stringify(manifest)));
          assert.ok(parsed.ok, JSON.stringify(parsed));
        }
        assert.ok(documents.length + problems.length + told.length > 0, "it says nothing");
      }),
      { numRuns: 500 },
    );
  });
});

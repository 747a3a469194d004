/** InvokeWithResponseStream and Invoke by the AWS SDK for Python, as it comes. */
import assert from "node:assert/strict";
import { pythonSdk, runPython } from "../kit/python-sdk.ts";
import { StreamBench, streams } from "./stream-bench.ts";

const script = `
import boto3, json, os
client = boto3.client("lambda", endpoint_url=os.environ["ENDPOINT"], region_name="us-east-1",
    aws_access_key_id="dummy", aws_secret_access_key="dummy")
answer = client.invoke_with_response_stream(FunctionName="hello", Payload=json.dumps({"a": "ä"}))
seen = {"status": answer["StatusCode"], "version": answer["ExecutedVersion"], "text": "", "completions": []}
for event in answer["EventStream"]:
    if "PayloadChunk" in event:
        seen["text"] += event["PayloadChunk"]["Payload"].decode()
    if "InvokeComplete" in event:
        seen["completions"].append(event["InvokeComplete"])
try:
    client.invoke(FunctionName="nobody")
except client.exceptions.ResourceNotFoundException as error:
    seen["error"] = error.response["Error"]
print(json.dumps(seen))
`;

describe("the AWS SDK for Python", function () {
  this.timeout(60_000);
  let bench: StreamBench;

  before(async function () {
    this.timeout(300_000);
    await pythonSdk();
    bench = await StreamBench.start();
  });
  after(async () => bench.stop());

  async function seen(): Promise<Record<string, unknown>> {
    const env = { ENDPOINT: `http://127.0.0.1:${bench.world.router.invokePort}` };
    return JSON.parse(await runPython(script, { env })) as Record<string, unknown>;
  }

  it("invoke-api 27: takes chunks and one InvokeComplete; an error has its class and its message", async () => {
    bench.agent.script = streams(["first ", "second ", "third"]);
    const { error, ...stream } = await seen();
    assert.deepEqual(stream, { status: 200, version: "$LATEST", text: "first second third", completions: [{}] });
    assert.equal(bench.agent.calls[0]?.event, '{"a": "\\u00e4"}');
    const { Code, Message } = error as { Code: string; Message: string };
    assert.equal(Code, "ResourceNotFoundException");
    assert.match(Message, /^Function not found: arn:aws:lambda:us-east-1:\d{12}:function:nobody/);
  });

  it("invoke-api 28: takes a handler's error halfway", async () => {
    const errorBody = Buffer.from('{"errorType":"Halfway"}').toString("base64");
    bench.agent.script = streams(["some"], { end: { endOfResponse: "Complete", errorType: "Halfway", errorBody } });
    const { text, completions } = await seen();
    assert.deepEqual(
      [text, completions],
      ["some", [{ ErrorCode: "Unhandled", ErrorDetails: '{"errorType":"Halfway"}' }]],
    );
  });
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { sampleEvents, type SampleEvents } from "./sample-events.ts";
import { nodeFunction, Space } from "./space.ts";

/** Answers with the event as its runtime has parsed it. */
const parsedEchoes: Record<string, FunctionSpecInput> = {
  "nodejs24.x": nodeFunction("export const handler = async (event) => event;"),
  "python3.11": {
    runtime: "python3.11",
    handler: "main.handler",
    code: { files: { "main.py": "def handler(event, context):\n    return event\n" } },
  },
};

/** Answers with the bytes that it got from the Runtime API. */
const rawEcho: FunctionSpecInput = {
  runtime: "provided.al2023",
  handler: "none",
  code: {
    files: {
      bootstrap: `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while curl -sS -D /tmp/headers -o /tmp/event "$api/next"; do
  id="$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *\\([^[:space:]]*\\).*/\\1/p' /tmp/headers)"
  curl -sS -o /dev/null -H 'content-type: application/json' --data-binary @/tmp/event "$api/$id/response"
done
`,
    },
  },
};

describe("AWS's sample events", () => {
  let space: Space;
  let events: SampleEvents;
  before(async function () {
    this.timeout(240_000);
    events = await sampleEvents();
    assert.ok(events.good.size > 80, `there are ${events.good.size} events`);
    assert.ok(events.broken.size > 0, "there are broken events");
    space = await Space.open("e2e-events");
  });
  after(async () => {
    await space.close();
  });

  for (const [runtime, spec] of Object.entries(parsedEchoes)) {
    it(`come back as they went from a ${runtime} function`, async () => {
      const name = runtime.replace(".", "-");
      await space.serve(name, spec);
      for (const [file, event] of events.good) {
        assert.deepEqual(await space.call(name, event), JSON.parse(event.toString()), file);
      }
    });
  }

  it("reach the runtime byte for byte, and come back so", async () => {
    await space.serve("raw", rawEcho);
    for (const [file, event] of events.good) {
      const { status, bytes } = await space.invoke("raw", event);
      assert.equal(status, 200, file);
      assert.ok(bytes.equals(event), `${file}: ${digest(bytes)} instead of ${digest(event)}`);
    }
  });

  it("are refused where they are no JSON, and never reach the function", async () => {
    for (const [file, event] of events.broken) {
      const answer = await space.invoke("raw", event);
      assert.equal(answer.status, 400, file);
      assert.equal(answer.headers["x-amzn-errortype"], "InvalidRequestContentException", file);
    }
  });

  const odd: Record<string, string> = {
    "white space and order of members": ' { "b" : 1 ,\n\t"a" : 1.0e0 }\r\n',
    "numbers that no double can hold": '{"n":12345678901234567890.000000000000000001}',
    "members that come twice": '{"a":1,"a":2}',
    "text of all planes and escapes": '{"text":"\\u0000\\/ é 漢 😀 \\ud83d\\ude00 \\"\\\\"}',
    "a lone string": '"text"',
    "a lone null": "null",
  };
  for (const [what, text] of Object.entries(odd)) {
    it(`keep ${what}`, async () => {
      const { status, bytes } = await space.invoke("raw", Buffer.from(text));
      assert.equal(status, 200);
      assert.equal(bytes.toString(), text);
    });
  }

  it("may have almost 6 MB each way", async () => {
    const event = Buffer.from(JSON.stringify({ filler: "x".repeat(6_291_400) }));
    const { status, bytes } = await space.invoke("raw", event);
    assert.equal(status, 200);
    assert.equal(digest(bytes), digest(event));
  });
});

function digest(bytes: Buffer): string {
  return `${bytes.length} bytes, ${createHash("sha256").update(bytes).digest("hex")}`;
}

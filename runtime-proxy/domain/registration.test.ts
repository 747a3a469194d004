import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRegistration, type Registration } from "./registration.ts";

const cases: Record<string, { body: string; want: Registration }> = {
  "both events": { body: '{"events":["INVOKE","SHUTDOWN"]}', want: { ok: true, events: ["INVOKE", "SHUTDOWN"] } },
  "an event twice counts once": { body: '{"events":["INVOKE","INVOKE"]}', want: { ok: true, events: ["INVOKE"] } },
  "names of members in any case": { body: '{"EVENTS":["INVOKE"],"other":1}', want: { ok: true, events: ["INVOKE"] } },
  "nothing at all": { body: "null", want: { ok: true, events: [] } },
  "no keys is not the deprecated way": { body: '{"configurationKeys":[]}', want: { ok: true, events: [] } },
  "no body": {
    body: " ",
    want: { ok: false, code: "InvalidRequestFormat", message: "unexpected end of JSON input" },
  },
  "an event that is none": {
    body: '{"events":["INVOKE","Shutdown"]}',
    want: { ok: false, code: "Extension.InvalidEventType", message: "Shutdown: ErrorInvalidEventType" },
  },
};

describe("parseRegistration", () => {
  for (const [title, { body, want }] of Object.entries(cases)) {
    it(title, () => assert.deepEqual(parseRegistration(body), want));
  }

  it("has an answer to everything", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.record({ events: fc.jsonValue() }).map((value) => JSON.stringify(value)),
        ),
        (body) => {
          const parsed = parseRegistration(body);
          assert.ok(parsed.ok ? Array.isArray(parsed.events) : parsed.message.length > 0);
        },
      ),
    );
  });
});

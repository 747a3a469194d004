import assert from "node:assert/strict";
import fc from "fast-check";
import { continueTrace, MOST_RUNS_OF_A_CHAIN, TraceSampler, type TraceInput } from "./trace-header.ts";

const newRoot = "1-65a1b2c3-000000000000000000000001";
const newParent = "00000000000000aa";
const root = "1-5759e988-bd862e3fe1be46a994272793";
const parent = "53995c3f42cd8ad8";

function traced(incoming: string | undefined, changes: Partial<TraceInput> = {}): ReturnType<typeof continueTrace> {
  return continueTrace({ incoming, newRoot, newParent, functionUid: "f", shallSample: () => false, ...changes });
}
const withoutLineage = (header: string): string => header.replace(/;Lineage=.*$/, "");

describe("continueTrace", () => {
  const own = `Root=${newRoot};Parent=${newParent};Sampled=0`;
  const cases: Record<string, { incoming: string | undefined; want: string }> = {
    "begins a trace without a header": { incoming: undefined, want: own },
    "begins one for a header without a root": { incoming: `Parent=${parent};Sampled=1`, want: own },
    "begins one for a root that is no root": { incoming: `Root=${"1".repeat(200)};Sampled=1`, want: own },
    "keeps the caller's": {
      incoming: `Root=${root};Parent=${parent};Sampled=1`,
      want: `Root=${root};Parent=${parent};Sampled=1`,
    },
    "keeps it in any order, with spaces": {
      incoming: ` Sampled=1 ; Root=${root}`,
      want: `Root=${root};Parent=${newParent};Sampled=1`,
    },
    "fills in what is missing or no value": {
      incoming: `Root=${root};Parent=nonsense;Sampled=?`,
      want: `Root=${root};Parent=${newParent};Sampled=0`,
    },
    "keeps what it does not know": {
      incoming: `Self=1-2-3;Root=${root};CalledFrom=app`,
      want: `Root=${root};Parent=${newParent};Sampled=0;Self=1-2-3;CalledFrom=app`,
    },
    "drops what it does not know of a long header": {
      incoming: `Root=${root};X=${"x".repeat(2000)}`,
      want: `Root=${root};Parent=${newParent};Sampled=0`,
    },
  };
  for (const [title, { incoming, want }] of Object.entries(cases)) {
    it(title, () => assert.equal(withoutLineage(traced(incoming).header), want));
  }

  describe("with W3C's header", () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const w3cRoot = "1-4bf92f35-77b34da6a3ce929d0e0e4736";
    const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;
    const cases: Record<string, { incoming?: string; traceparent: string; want: string }> = {
      "takes it over": { traceparent, want: `Root=${w3cRoot};Parent=00f067aa0ba902b7;Sampled=1` },
      "keeps its decision not to sample": {
        traceparent: traceparent.replace(/01$/, "00"),
        want: `Root=${w3cRoot};Parent=00f067aa0ba902b7;Sampled=0`,
      },
      "takes X-Ray's trace where it names another": {
        ...{ incoming: `Root=${root};Parent=${parent};Sampled=0`, traceparent },
        want: `Root=${root};Parent=${parent};Sampled=0`,
      },
      "takes W3C's parent where both name the same, and X-Ray's decision": {
        ...{ incoming: `Root=${w3cRoot};Parent=${parent};Sampled=0`, traceparent },
        want: `Root=${w3cRoot};Parent=00f067aa0ba902b7;Sampled=0`,
      },
      "takes W3C's decision where X-Ray's header has none": {
        ...{ incoming: `Root=${w3cRoot};Parent=${parent}`, traceparent },
        want: `Root=${w3cRoot};Parent=00f067aa0ba902b7;Sampled=1`,
      },
    };
    for (const [title, { want, incoming, ...more }] of Object.entries(cases))
      it(title, () => assert.equal(withoutLineage(traced(incoming, more).header), want));
  });

  describe("where spans are written", () => {
    const newSpans = (): { spanId: string; functionSpanId: string } => ({
      spanId: "a".repeat(16),
      functionSpanId: "b".repeat(16),
    });

    it("names the run as the function's parent, and the caller's span as the call's", () => {
      const { header, context } = traced(`Root=${root};Parent=${parent};Sampled=1`, { newSpans });
      assert.equal(withoutLineage(header), `Root=${root};Parent=${"b".repeat(16)};Sampled=1`);
      assert.deepEqual(context, { traceId: root.replace(/^1|-/g, ""), parentSpanId: parent, ...newSpans() });
    });

    it("changes nothing of a trace that is not sampled, or whose root is no 128 bits", () => {
      for (const incoming of [`Root=${root};Parent=${parent};Sampled=0`, `Root=x;Parent=${parent};Sampled=1`]) {
        const { header, context } = traced(incoming, { newSpans });
        assert.equal(withoutLineage(header), incoming);
        assert.equal(context, undefined);
      }
    });
  });

  it("samples only when the caller has not decided", () => {
    const shallSample = (): boolean => true;
    assert.match(traced(undefined, { shallSample }).header, /;Sampled=1;/);
    assert.match(traced(`Root=${root}`, { shallSample }).header, /;Sampled=1;/);
    assert.match(traced(`Root=${root};Sampled=0`, { shallSample }).header, /;Sampled=0;/);
  });

  it("counts the runs of a function in its chain, from 0, as AWS writes it", () => {
    let header: string | undefined;
    for (let run = 0; run <= MOST_RUNS_OF_A_CHAIN; run += 1) {
      const trace = traced(header);
      assert.equal(trace.runsBefore, run);
      assert.match(trace.header, new RegExp(`;Lineage=1:[0-9a-f]{8}:${run}$`));
      header = trace.header;
    }
  });

  it("counts every function of a chain by itself", () => {
    let header: string | undefined;
    for (const [functionUid, runsBefore] of [
      ["a", 0],
      ["b", 0],
      ["a", 1],
      ["c", 0],
      ["b", 1],
      ["a", 2],
    ] as const) {
      const trace = traced(header, { functionUid });
      assert.equal(trace.runsBefore, runsBefore, functionUid);
      header = trace.header;
    }
    assert.match(header ?? "", /Lineage=1:[0-9a-f]{8}:0\|[0-9a-f]{8}:1\|[0-9a-f]{8}:2$/);
  });

  it("reads the form without a version, and takes nonsense for nothing", () => {
    const lineage = /Lineage=1:([0-9a-f]{8}):/.exec(traced(undefined).header)?.[1] ?? "";
    assert.equal(traced(`Root=${root};Lineage=a87bd80c:1|${lineage}:5|c512fbe3:2`).runsBefore, 6);
    for (const nonsense of ["", ":::", `${lineage}:-1`, `x${lineage}`, `${lineage}:12345678`])
      assert.equal(traced(`Root=${root};Lineage=${nonsense}`).runsBefore, 0, nonsense);
  });

  it("is a header of bounded length and of visible characters, whatever comes", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 3000 }), fc.string({ maxLength: 50 }));
    fc.assert(
      fc.property(text, text, text, (a, b, c) => {
        const { header } = traced(`Root=${a};Lineage=${b};X=${c};Root=${root}`);
        assert.match(header, /^[\x21-\x7e]{1,2500}$/);
        assert.match(header, /(^|;)Root=[^;]+;Parent=[0-9a-f]{16};Sampled=[01]/);
      }),
    );
  });
});

describe("TraceSampler", () => {
  it("samples the first call of a second of each function, and 5 % of the others", () => {
    const sampler = new TraceSampler();
    assert.equal(sampler.decide("a", 1000, 0.9), true);
    assert.equal(sampler.decide("a", 1999, 0.9), false);
    assert.equal(sampler.decide("b", 1999, 0.9), true);
    assert.equal(sampler.decide("a", 1999, 0.049), true);
    assert.equal(sampler.decide("a", 1999, 0.05), false);
    assert.equal(sampler.decide("a", 2000, 0.9), true);
    sampler.forget("a");
    assert.equal(sampler.decide("a", 2000, 0.9), true);
  });
});

import assert from "node:assert/strict";
import { invocationAnswerHeaders, streamTrailers } from "../../crds/wire/environment.ts";
import type { ExchangeControl } from "./agent-connection.ts";
import type { AgentOutcome } from "./answer-collector.ts";
import { AnswerStreamer, type StreamedAnswer } from "./streamed-answer.ts";

/** A connection that is used for one exchange after the other. */
class Connection implements ExchangeControl {
  isPaused = false;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  abort(): void {
    this.isPaused = false;
  }
}

const keeping = { memory: { take: () => Promise.resolve(undefined) }, account: "default" };

describe("AnswerStreamer", () => {
  let connection: Connection;
  let streamer: AnswerStreamer;
  let answer: StreamedAnswer;
  beforeEach(() => {
    connection = new Connection();
    const outcomes: (AgentOutcome | StreamedAnswer)[] = [];
    streamer = new AnswerStreamer(keeping, (settled) => outcomes.push(settled));
    streamer.onHead(connection, 200, { [invocationAnswerHeaders.responseMode]: "streaming" });
    const [outcome] = outcomes;
    assert.ok(outcome?.kind === "streaming");
    answer = outcome;
  });

  it("a payload that nobody wants is read to its end", () => {
    streamer.onData(connection, Buffer.alloc(100_000));
    assert.equal(connection.isPaused, true);
    answer.discard();
    assert.equal(connection.isPaused, false);
  });

  it("a payload that is given up after its end leaves the connection to the call that has it by then", () => {
    streamer.onData(connection, Buffer.from("some"));
    streamer.onEnd({ [streamTrailers.endOfResponse]: "Complete" });
    connection.pause();
    answer.discard();
    assert.equal(connection.isPaused, true);
  });
});

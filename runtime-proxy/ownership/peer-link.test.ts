import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, it } from "mocha";
import { sleep, systemClock } from "../../lib/clock.ts";
import { silentLogger } from "../../lib/logger.ts";
import { PeerLink } from "./peer-link.ts";
import type { Answer, Notice, Question } from "./peer-messages.ts";

describe("the connection to an owner", () => {
  let owner: Server;
  let link: PeerLink;
  let questions: (Question | Notice)[];

  /** Answers each question by one line. */
  function answers(lineFor: (question: Question) => readonly Answer[]): void {
    owner.on("upgrade", (_request, socket) => {
      socket.on("error", () => undefined).on("end", () => socket.destroy());
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: kubelambda-peer\r\n\r\n");
      createInterface({ input: socket }).on("line", (line) => {
        for (const question of JSON.parse(line) as (Question | Notice)[]) {
          questions.push(question);
          if ("id" in question) socket.write(`${JSON.stringify(lineFor(question))}\n`);
        }
      });
    });
  }

  beforeEach(async () => {
    questions = [];
    owner = createServer();
    await new Promise<void>((resolve) => owner.listen(0, "127.0.0.1", resolve));
    const { port } = owner.address() as AddressInfo;
    link = new PeerLink({
      peer: { podUid: "owner", address: `127.0.0.1:${port}` },
      ...{ replica: "carrier", authorize: () => "", roster: () => undefined, onRoster: () => undefined },
      ...{ clock: systemClock, log: silentLogger, draw: () => 0 },
    });
  });
  afterEach(async () => {
    link.close();
    await new Promise<void>((resolve) => owner.close(() => resolve()));
  });

  it("hears that what it was given is wanted, also in the same line", async () => {
    const granted = { podUid: "pod", address: "127.0.0.1:1", grant: "1.1.1", further: 31 };
    answers(({ t, id }) =>
      t === "ask"
        ? [
            { t: "granted", id, ...granted },
            { t: "recall", id },
          ]
        : [],
    );
    const order = { namespace: "n", functionUid: "f", version: "1", deadlineMs: systemClock.monotonicMs() + 1000 };
    let call = link.ask(order);
    for (; call === undefined; call = link.ask(order)) await sleep(systemClock, 5);
    await call.place();
    await sleep(systemClock, 50);
    assert.deepEqual(questions.at(-1), { t: "using", id: 1 });
  });
});

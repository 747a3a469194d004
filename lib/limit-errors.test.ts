import assert from "node:assert/strict";
import { ManualClock } from "../test/kit/manual-clock.ts";
import { limitErrors } from "./limit-errors.ts";
import { silentLogger, type LogFields, type Logger } from "./logger.ts";

describe("limitErrors", () => {
  let clock: ManualClock;
  let lines: { readonly message: string; readonly fields: LogFields | undefined }[];
  let log: Logger;
  let tellLeftOut: () => void;
  beforeEach(() => {
    clock = new ManualClock();
    lines = [];
    const all: Logger = { ...silentLogger, error: (message, fields) => void lines.push({ message, fields }) };
    ({ log, tellLeftOut } = limitErrors(all, clock));
  });
  const fail = (name: string, requestId: number, code = "ServiceException"): void =>
    log.error("Refused", { kind: "Function", namespace: "a", name, code, requestId: String(requestId) });
  const told = (): unknown[] => lines.map(({ fields }) => fields?.["requestId"] ?? fields?.["leftOut"]);

  it("writes ten of a kind in a second, then how many it left out, and begins anew", () => {
    for (let n = 0; n < 25; n += 1) fail("f", n);
    assert.equal(lines.length, 10);
    clock.advance(1000);
    assert.deepEqual(lines.at(-1), {
      message: "Refused",
      fields: { kind: "Function", namespace: "a", name: "f", code: "ServiceException", leftOut: 15 },
    });
    fail("f", 25);
    assert.deepEqual(told().slice(10), [15, "25"]);
    clock.advance(1000);
    assert.equal(lines.length, 12);
    assert.equal(clock.timers, 0);
  });

  it("tells kinds apart by what they are of and by their code", () => {
    for (let n = 0; n < 11; n += 1) fail("f", n);
    fail("g", 100);
    fail("f", 101, "Other");
    assert.deepEqual(told().slice(10), ["100", "101"]);
  });

  it("tells what it has left out when it is asked to, and no second time", () => {
    for (let n = 0; n < 12; n += 1) fail("f", n);
    fail("g", 100);
    tellLeftOut();
    fail("f", 12);
    tellLeftOut();
    clock.advance(1000);
    assert.deepEqual(told().slice(10), ["100", 2, 1]);
  });

  it("takes what is of too many kinds for one kind", () => {
    for (let n = 0; n < 1020; n += 1) fail(`f${n}`, n);
    assert.equal(lines.length, 1010);
    clock.advance(1000);
    assert.deepEqual(lines.at(-1), { message: "Errors of many kinds", fields: { leftOut: 10 } });
  });
});

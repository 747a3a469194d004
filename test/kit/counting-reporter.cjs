"use strict";
// Mocha's spec reporter, which also appends "<passed> <failed>" to the file that TEST_COUNTS names, and each failure with its error to the one that TEST_FAILURES names.
const { appendFileSync } = require("node:fs");
const { reporters } = require("mocha");

const ERROR_CHARACTERS = 2000;

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.on("fail", (test, error) => {
      if (process.env.TEST_FAILURES) appendFileSync(process.env.TEST_FAILURES, described(test, error));
    });
    runner.once("end", () => {
      const { passes = 0, failures = 0 } = runner.stats ?? {};
      if (process.env.TEST_COUNTS) appendFileSync(process.env.TEST_COUNTS, `${passes} ${failures}\n`);
    });
  }
};

function described(test, error) {
  const text = String(error?.stack ?? error?.message ?? error).slice(0, ERROR_CHARACTERS);
  return `failed: ${test.fullTitle()}\n${text.replaceAll(/^/gm, "    ")}\n`;
}

"use strict";
// Mocha's dot or spec reporter, which also appends "<passed> <failed>" to the file that TEST_COUNTS names.
const { appendFileSync } = require("node:fs");
const { reporters } = require("mocha");

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once("end", () => {
      const { passes = 0, failures = 0 } = runner.stats ?? {};
      if (process.env.TEST_COUNTS) appendFileSync(process.env.TEST_COUNTS, `${passes} ${failures}\n`);
    });
  }
};

"use strict";
// What every system runs: the runtimes as a function, the bare server in its own process.
exports.handler = async (event) => ({ greeting: `Hello, ${event.name}` });

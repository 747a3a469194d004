"use strict";
// What every system runs: the runtimes as a function, the bare server in its own process.
// Through a function URL the event holds the request's body as a text.
exports.handler = async ({ name, body }) => ({
  greeting: `Hello, ${body === undefined ? name : JSON.parse(body).name}`,
});

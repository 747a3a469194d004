"use strict";
// The streaming function in a bare node:http server: the way of a chunk where there is no platform. Says its port when it listens.
const { createServer } = require("node:http");
const { stream } = require("../function/stream.cjs");

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    void stream(response);
  });
});
server.keepAliveTimeout = 75_000;
server.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`));

"use strict";
// A bare Node process with an HTTP server that nobody calls; the Unix socket appears last, as the agent's does. Argument: its path.
const { createServer } = require("node:http");

const server = createServer((_request, response) => response.end());
server.listen(0, "127.0.0.1", () => createServer().listen(process.argv[2]));

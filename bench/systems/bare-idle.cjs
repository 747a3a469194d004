"use strict";
// A bare Node process that only listens on a Unix socket, so that its start can be seen. Argument: the socket's path.
require("node:net").createServer().listen(process.argv[2]);

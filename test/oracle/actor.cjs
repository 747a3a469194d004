// A process that plays a runtime or an extension: it does what the test says over a Unix socket, one order a line, and tells what came of it.
"use strict";
const http = require("node:http");
const net = require("node:net");

const orders = {
  /** One HTTP call; headers and trailers are lists of pairs, bodies base64. */
  call({ method, path, headers = [], body = "", trailers, isChunked }, api) {
    const [host, port] = api.split(":");
    const bytes = Buffer.from(body, "base64");
    const hasLength = !isChunked && trailers === undefined && (method !== "GET" || bytes.length > 0);
    return new Promise((resolve, reject) => {
      const sent = http.request({
        host,
        port,
        method,
        path,
        agent,
        headers: hasLength ? { "content-length": bytes.length } : {},
      });
      for (const [name, value] of headers) sent.setHeader(name, value);
      if (isChunked) sent.setHeader("transfer-encoding", "chunked");
      sent.on("error", reject);
      sent.on("response", (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({
            status: answer.statusCode,
            headers: pairs(answer.rawHeaders),
            body: Buffer.concat(chunks).toString("base64"),
          }),
        );
      });
      if (trailers === undefined) return sent.end(bytes);
      sent.setHeader("trailer", trailers.map(([name]) => name).join(", "));
      sent.write(bytes);
      sent.addTrailers(trailers);
      sent.end();
    });
  },

  /** Bytes as they are on a connection of their own, of which nothing more will come; what came back until the other side closed. */
  raw({ body }, api) {
    const [host, port] = api.split(":");
    return new Promise((resolve, reject) => {
      const chunks = [];
      const socket = net.connect({ host, port, allowHalfOpen: true });
      socket.on("data", (chunk) => chunks.push(chunk));
      socket.on("error", reject);
      socket.on("end", () => socket.end());
      socket.on("close", () => resolve({ body: Buffer.concat(chunks).toString("base64") }));
      socket.end(Buffer.from(body, "base64"));
    });
  },

  async variables() {
    return { variables: { ...process.env } };
  },

  exit({ status }) {
    process.exit(status);
  },

  kill({ signal }) {
    process.kill(process.pid, signal);
    return new Promise(() => undefined);
  },

  async print({ text }) {
    await new Promise((resolve) => process.stdout.write(text, resolve));
    return {};
  },
};

const agent = new http.Agent({ keepAlive: true });

function pairs(raw) {
  const list = [];
  for (let i = 0; i < raw.length; i += 2) list.push([raw[i], raw[i + 1]]);
  return list;
}

/** Plays until the test hangs up. */
exports.play = function play({ socket, role }) {
  const stage = net.connect(socket);
  const tell = (message) => stage.write(`${JSON.stringify(message)}\n`);
  process.on("SIGTERM", () => tell({ heard: "SIGTERM" }));
  stage.on("error", () => process.exit(99));
  stage.on("close", () => process.exit(99));
  tell({ role, pid: process.pid });
  let rest = "";
  stage.setEncoding("utf8");
  stage.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const { id, order, ...details } = JSON.parse(line);
      orders[order](details, process.env.AWS_LAMBDA_RUNTIME_API).then(
        (outcome) => tell({ id, ...outcome }),
        (error) => tell({ id, error: String(error.code ?? error.message) }),
      );
    }
  });
};

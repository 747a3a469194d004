"use strict";
/**
 * Environments that do nothing: one process on one port speaks the agent's protocol for all pods it is told of, as cheaply as it can, so that
 * what stands before it is measured. Also answers any other path, for a bare proxy. Argument: JSON of NoopOrder. Says its port when it listens.
 */
const { createServer } = require("node:net");
const { Agent, request } = require("node:http");

const { routerUrls = [], podUids = [], answer, answerBytes, runMs = 0, renewMs = 4000 } = JSON.parse(process.argv[2]);
const headEnd = Buffer.from("\r\n\r\n");
const environments = new Map(podUids.map((podUid) => [podUid, { podUid, position: { epoch: 0, turn: 0 } }]));
const invocationAnswer = answerOf(
  answerBytes === undefined ? answer : JSON.stringify("x".repeat(answerBytes - 2)),
  "X-Amz-Executed-Version: $LATEST\r\nX-Kubelambda-Duration-Ms: 0.100\r\nContent-Type: application/json\r\n",
);
const connections = new Agent({ keepAlive: true, maxSockets: 8 });
let sequence = 1;

const server = createServer((socket) => {
  socket.setNoDelay(true);
  let held = Buffer.alloc(0);
  let environment;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      const end = held.indexOf(headEnd);
      if (end < 0) return;
      const head = held.toString("latin1", 0, end);
      const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (held.length < end + 4 + length) return;
      held = held.subarray(end + 4 + length);
      environment ??= environments.get(podUidOf(head));
      const grant = /x-kubelambda-grant: *(\d+)\.(\d+)\./i.exec(head);
      if (grant !== null && environment !== undefined)
        environment.position = { epoch: Number(grant[1]), turn: Number(grant[2]) };
      const isClaim = head.startsWith("POST /v1/claim ") && environment !== undefined;
      if (isClaim) socket.write(answerOf(JSON.stringify(announcementOf(environment)), ""));
      else if (runMs === 0) socket.write(invocationAnswer);
      else setTimeout(() => socket.write(invocationAnswer), runMs);
    }
  });
});

server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
  tellAll();
  setInterval(tellAll, renewMs);
});

function answerOf(body, headers) {
  return Buffer.from(`HTTP/1.1 200 OK\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

/** Of the claim, unproven: a router's connection is for one environment. */
function podUidOf(head) {
  const claim = /authorization: *Bearer ([A-Za-z0-9_-]+)\./i.exec(head)?.[1] ?? "";
  try {
    return JSON.parse(Buffer.from(claim, "base64url").toString()).podUid;
  } catch {
    return undefined;
  }
}

function announcementOf({ podUid, position }) {
  const address = `127.0.0.1:${server.address().port}`;
  const atMs = Math.floor(performance.now());
  return {
    podUid,
    address,
    state: "ready",
    sequence,
    isRunning: false,
    position,
    atMs,
    init: { ok: true, durationMs: 1 },
  };
}

/** Every router of every environment, in parallel. */
function tellAll() {
  sequence += 1;
  for (const environment of environments.values()) for (const url of routerUrls) tell(url, environment, 0);
}

function tell(url, environment, attempt) {
  const again = () => attempt < 100 && setTimeout(() => tell(url, environment, attempt + 1), 100);
  const path = `/v1/environments/${environment.podUid}`;
  const headers = { authorization: `Bearer ${environment.podUid}`, "content-type": "application/json" };
  const sent = request(`${url}${path}`, { agent: connections, method: "PUT", headers }, (answered) => {
    answered.resume();
    if (answered.statusCode !== 204) again();
  });
  sent.on("error", again);
  sent.end(JSON.stringify(announcementOf(environment)));
}

"use strict";
// The thread behind rapid-client.cjs: one kept connection to the Runtime API.
const http = require("node:http");
const { parentPort, workerData } = require("node:worker_threads");

const [host, port] = workerData.api.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const maxCauseBytes = 1024 * 1024;

parentPort.on("message", (message) => {
  if (message.call === "next") void next();
  else void post(message).finally(wake);
});

function wake() {
  Atomics.store(workerData.lock, 0, 1);
  Atomics.notify(workerData.lock, 0);
}

async function next() {
  try {
    const { status, headers, body } = await send("GET", "/2018-06-01/runtime/invocation/next");
    if (status !== 200) throw new Error(`Failed to get next invocation, error ${status}`);
    const kept = Object.entries(headers).filter(([name]) => name.startsWith("lambda-runtime-"));
    parentPort.postMessage({
      bodyJson: body,
      headers: {
        ...Object.fromEntries(kept),
        "lambda-runtime-deadline-ms": Number(headers["lambda-runtime-deadline-ms"]),
      },
    });
  } catch (error) {
    parentPort.postMessage({ failure: `Failed to get next invocation, error ${error.message}` });
  }
}

async function post({ call, id, body, cause }) {
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  if (cause && Buffer.byteLength(cause) < maxCauseBytes && /^[\x20-\x7e]*$/.test(cause)) {
    headers["lambda-runtime-function-xray-error-cause"] = cause;
  }
  const path = call === "done" ? "response" : "error";
  // Like the addon, it leaves a refusal to the platform, which has answered the caller.
  await send("POST", `/2018-06-01/runtime/invocation/${id}/${path}`, headers, body).catch(() => undefined);
}

function send(method, path, headers = {}, body = undefined) {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent, host, port, method, path, headers, timeout: 0 }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
      response.on("error", reject);
    });
    request.setNoDelay(true);
    request.on("error", reject);
    request.end(body);
  });
}

// An internal extension in a thread of the runtime's process: registers before the function is loaded, then prints its events.
"use strict";
const http = require("node:http");
const { isMainThread, Worker, workerData } = require("node:worker_threads");

const name = "node-internal";

function call(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension/${path}`;
    const sent = http.request(url, { method, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

async function serve(registered) {
  const { status, headers, body } = await call(
    "POST",
    "register",
    { "lambda-extension-name": name },
    '{"events":["INVOKE"]}',
  );
  console.log(`${name} registered ${status} ${body.trim()}`);
  Atomics.store(registered, 0, 1);
  Atomics.notify(registered, 0);
  const identity = { "lambda-extension-identifier": headers["lambda-extension-identifier"] };
  for (;;) console.log(`${name} event ${(await call("GET", "event/next", identity)).body}`);
}

if (isMainThread) {
  const registered = new Int32Array(new SharedArrayBuffer(4));
  // Without the option it would load this very file, and again a thread.
  const worker = new Worker(__filename, {
    workerData: registered,
    execArgv: [],
    env: { ...process.env, NODE_OPTIONS: "" },
    stdout: false,
  });
  worker.unref();
  Atomics.wait(registered, 0, 0, 5000);
} else if (workerData !== undefined) {
  void serve(workerData);
}

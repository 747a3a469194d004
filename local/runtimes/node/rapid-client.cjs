"use strict";
// Stands in for aws-lambda-ric's native addon, which cannot be built on every machine: its three calls next, done and error.
// done and error return only when the platform has answered, as the addon's do: a process may exit right after them.
const Module = require("node:module");
const { Worker, isMainThread } = require("node:worker_threads");

if (isMainThread) install();

function install() {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (request, ...rest) {
    return request === "./rapid-client.node" ? __filename : resolve.call(this, request, ...rest);
  };
  module.exports = createClient();
}

function createClient() {
  const lock = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(`${__dirname}/rapid-client-worker.cjs`, {
    workerData: { lock, api: process.env.AWS_LAMBDA_RUNTIME_API },
    env: {},
    execArgv: [],
  });
  worker.unref();
  let waiting;
  worker.on("message", (message) => {
    const { resolve, reject } = waiting ?? {};
    waiting = undefined;
    worker.unref();
    if (message.failure === undefined) resolve?.(message);
    else reject?.(new Error(message.failure));
  });
  worker.on("error", (error) => waiting?.reject(error));

  // The main thread sleeps until the worker has handed the body in: the addon blocks it in the same way.
  const post = (call) => {
    Atomics.store(lock, 0, 0);
    worker.postMessage(call);
    Atomics.wait(lock, 0, 0);
  };
  return {
    next: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        worker.ref();
        worker.postMessage({ call: "next" });
      }),
    done: (id, body) => post({ call: "done", id, body }),
    error: (id, body, cause) => post({ call: "error", id, body, cause }),
  };
}

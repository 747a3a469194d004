// A handler that does what the event's `act` says; CLIENT_INIT chooses how the module loads.
import { once } from "node:events";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

switch (process.env.CLIENT_INIT) {
  case "throw":
    throw new TypeError("no good start");
  case "reject":
    Promise.reject(new RangeError("nobody waits for me"));
    await sleep(60_000);
    break;
  case "exit":
    process.exit(3);
}

const recurse = (depth) => recurse(depth + 1) + 1;

const acts = {
  echo: ({ value }) => value,
  measure: ({ pad }) => pad.length,
  repeat: ({ count }) => "x".repeat(count),
  nothing: () => undefined,
  pid: () => process.pid,
  context: (_, context) => ({
    requestId: context.awsRequestId,
    remainingMs: context.getRemainingTimeInMillis(),
    functionArn: context.invokedFunctionArn,
    functionName: context.functionName,
    functionVersion: context.functionVersion,
    memoryMB: Number(context.memoryLimitInMB),
    logGroup: context.logGroupName,
    logStream: context.logStreamName,
    client: context.clientContext?.custom?.who ?? null,
    trace: process.env._X_AMZN_TRACE_ID ?? null,
  }),
  throw: () => {
    throw new TypeError("no good");
  },
  reject: async () => {
    Promise.reject(new RangeError("nobody waits for me"));
    await sleep(60_000);
  },
  uncaught: async () => {
    setImmediate(() => {
      throw new TypeError("nobody catches me");
    });
    await sleep(60_000);
  },
  drain: () => new Promise(() => {}),
  exit: ({ status }) => process.exit(status),
  kill: async () => {
    process.kill(process.pid, "SIGKILL");
    await sleep(60_000);
  },
  sleep: () => sleep(60_000),
  recurse: () => recurse(0),
  log: () => {
    console.debug("too quiet");
    console.info("one line\nand a second one");
    console.error("told", new TypeError("with a stack"));
    return "logged";
  },
};

export const handler = async (event, context) => await acts[event.act](event, context);

export const stream = awslambda.streamifyResponse(async ({ act, count }, response) => {
  switch (act) {
    case "typed":
      response.setContentType("text/plain");
      response.write("typed");
      break;
    case "parts":
      for (const part of ["one ", "two ", "three"]) if (!response.write(part)) await once(response, "drain");
      break;
    case "repeat in parts":
      for (let left = count; left > 0; left -= 65_536) {
        if (!response.write("x".repeat(Math.min(left, 65_536)))) await once(response, "drain");
      }
      break;
    case "prelude": {
      const head = { statusCode: 201, headers: { "x-kind": "prelude" }, cookies: ["a=b"] };
      const body = awslambda.HttpResponseStream.from(response, head);
      body.write("created");
      body.end();
      await once(body, "finish");
      return;
    }
    case "throw before":
      throw new TypeError("no good");
    case "throw within":
      response.write("one ");
      await sleep(20);
      throw new TypeError("no good");
    case "type too late":
      response.write("one ");
      response.setContentType("text/plain");
      break;
    case "sleep within":
      response.write("one ");
      await sleep(60_000);
      break;
    case "exit within":
      response.write("one ");
      // What was sent before has the time to be taken.
      await sleep(1000);
      process.exit(3);
  }
  response.end();
  await once(response, "finish");
});

/** Streaming of another kind than there is. */
export const malformed = async () => undefined;
malformed[Symbol.for("aws.lambda.runtime.handler.streaming")] = "request";

/** Headers, bodies, sizes and framing of the Runtime API (runtime-api 2, 3 and 5). */
import { error, initError, next, response } from "../calls.ts";
import { begin, call, exit, finish, invoke, raw, starts, type Script, type Step } from "../script.ts";
import type { Pairs } from "../stage.ts";

const largestBytes = 6_291_556;
const runtime = (of: Parameters<typeof call>[1]): Step => call("runtime", of);
const running = [invoke("one", '{"n":1}'), starts("runtime"), runtime(next)];
/** The runtime asks for more, without which the emulator answers nobody. */
const done = (name: string): Step[] => [begin("runtime", `next after ${name}`, next), finish(name)];
/** The environment lives on: a second event is taken and answered. */
const goesOn = [
  ...done("one"),
  invoke("two", '{"n":2}'),
  finish("next after one"),
  runtime(response('"second"')),
  ...done("two"),
];
const trailers = (type: string, body: string): Pairs => [
  ["Lambda-Runtime-Function-Error-Type", type],
  ["Lambda-Runtime-Function-Error-Body", body],
];
const streaming: Pairs = [["lambda-runtime-function-response-mode", "streaming"]];
const errorBase64 = Buffer.from('{"errorMessage":"in mid-stream","errorType":"Own"}').toString("base64");

/** A POST as bytes, with a head of its own. */
const post = (kind: string, head: readonly string[], body: string): Step =>
  raw(
    "runtime",
    [
      `POST /2018-06-01/runtime/invocation/{request}/${kind} HTTP/1.1`,
      "Host: 127.0.0.1",
      "Connection: close",
      ...head,
      "",
      body,
    ].join("\r\n"),
  );

export const runtimeBodyScripts: readonly Script[] = [
  {
    title: "runtime-api 4, 5, 6, 7, 32: headers of an event",
    steps: [
      invoke("one", '{"n":1}', [
        ["content-type", "application/x-www-form-urlencoded"],
        ["x-amz-client-context", Buffer.from('{"custom":{"a":"b"}}').toString("base64")],
        ["x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"],
      ]),
      starts("runtime"),
      runtime(next),
      runtime(response("{}")),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 13: a response of the largest size",
    steps: [...running, runtime(response({ bytes: largestBytes })), ...goesOn],
  },
  {
    title: "runtime-api 13, 14, 15: one byte more",
    steps: [...running, runtime(response({ bytes: largestBytes + 1 })), ...goesOn],
  },
  {
    title: "runtime-api 13: one byte more in chunks",
    steps: [
      ...running,
      runtime(response({ bytes: largestBytes + 1 }, { isChunked: true })),
      runtime(response('"again"')),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 2: an empty response, an empty error",
    steps: [
      ...running,
      runtime(response("")),
      ...done("one"),
      invoke("two"),
      finish("next after one"),
      runtime(error("")),
      ...done("two"),
    ],
  },
  {
    title: "runtime-api 17: a response in chunks",
    steps: [...running, runtime(response('"in chunks"', { isChunked: true })), ...goesOn],
  },
  {
    title: "runtime-api 18: announced but empty trailers",
    steps: [...running, runtime(response('"fine"', { trailers: trailers("", "") })), ...goesOn],
  },
  {
    title: "runtime-api 19: error trailers of a buffered response",
    steps: [...running, runtime(response('"partly', { trailers: trailers("Own", errorBase64) })), ...goesOn],
  },
  {
    title: "runtime-api 16: mode streaming, taken whole",
    steps: [...running, runtime(response('"streamed"', { headers: streaming, isChunked: true })), ...goesOn],
  },
  ...["Streaming", "buffered"].map((mode): Script => ({
    title: `runtime-api 16: mode ${mode}`,
    timeoutSeconds: 2,
    steps: [
      ...running,
      runtime(response("{}", { headers: [["lambda-runtime-function-response-mode", mode]] })),
      runtime(response("{}")),
      ...done("one"),
    ],
  })),
  {
    title: "runtime-api 20: a body in chunks that breaks off",
    timeoutSeconds: 2,
    steps: [...running, post("response", ["Transfer-Encoding: chunked"], '5\r\n"part\r\n'), finish("one")],
  },
  {
    title: "runtime-api 20: a body shorter than its length",
    timeoutSeconds: 2,
    steps: [...running, post("response", ["Content-Length: 100"], '"part'), finish("one")],
  },
  {
    title: "runtime-api 2.2: an error that breaks off",
    timeoutSeconds: 2,
    steps: [...running, post("error", ["Transfer-Encoding: chunked"], '5\r\n"part\r\n'), finish("one")],
  },
  {
    title: "runtime-api 2.2: chunks that are none",
    timeoutSeconds: 2,
    steps: [...running, post("response", ["Transfer-Encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n"), finish("one")],
  },
  {
    title: "runtime-api 21: an error that is no JSON",
    steps: [...running, runtime(error("abc")), ...goesOn],
  },
  {
    title: "runtime-api 22: an error with a type of its own",
    steps: [
      ...running,
      runtime(error('{"errorMessage":"m"}', { headers: [["lambda-runtime-function-error-type", "unhandled"]] })),
      ...goesOn,
    ],
  },
  {
    title: "runtime-api 24: the cause is no part of the payload",
    steps: [
      ...running,
      runtime(
        error('{"errorMessage":"m","errorCause":{"exceptions":[]},"errorType":"T"}', {
          headers: [["content-type", "application/vnd.aws.lambda.error.cause+json"]],
        }),
      ),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 2.2: a body with a cause that is no JSON",
    steps: [
      ...running,
      runtime(error("{", { headers: [["content-type", "application/vnd.aws.lambda.error.cause+json"]] })),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 25: a cause header of 900 KiB",
    steps: [
      ...running,
      runtime(error("{}", { headers: [["lambda-runtime-function-xray-error-cause", "a".repeat(900 * 1024)]] })),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 34, 36: no content type, a form",
    steps: [
      ...running,
      runtime(response('{"rust":1}')),
      ...done("one"),
      invoke("two"),
      finish("next after one"),
      runtime(response("a=b&c", { headers: [["content-type", "application/x-www-form-urlencoded"]] })),
      ...done("two"),
    ],
  },
  {
    title: "runtime-api 23: init errors of several types",
    steps: [
      ...running,
      exit("runtime", 1),
      finish("one"),
      invoke("two"),
      starts("runtime", 2),
      runtime(initError("no JSON", [["lambda-runtime-function-error-type", "foo"]])),
      exit("runtime", 1),
      finish("two"),
      invoke("three"),
      starts("runtime", 3),
      runtime(initError("", [["lambda-runtime-function-error-type", "Function.MyThing"]])),
      exit("runtime", 1),
      finish("three"),
    ],
  },
];

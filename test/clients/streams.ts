/** What clients answer in parts: to a caller who takes them as they come, and to one who takes the whole. */
import type { Expected } from "./behaviours.ts";
import type { ClientName } from "./clients.ts";

/** How a streamed answer came; `error` is in its trailers. */
export interface Streamed {
  readonly body: string | { readonly letters: number; readonly after: string };
  readonly contentType: string;
  readonly end: "Complete" | "Truncated";
  readonly error?: { readonly type: string; readonly bodyType: string; readonly message: string };
}

export interface StreamCase {
  readonly title: string;
  readonly event: object;
  /** `Expected`: it failed before the first byte, as any other answer. */
  readonly streamed: Streamed | Expected;
  readonly whole: Expected;
  readonly timeoutSeconds?: number;
}

export interface ClientStreams {
  /** Where it is another than for whole answers. */
  readonly handler?: string;
  readonly cases: readonly StreamCase[];
}

/** More than a whole answer may have. */
const letters = 8_000_000;
const webType = "application/vnd.awslambda.http-integration-response";
const tooLarge = (process: "stays" | "anew"): Expected => ({ tooLarge: true, process });
const exited: Pick<StreamCase, "whole"> = {
  whole: { platformError: "Runtime.ExitError", message: "Runtime exited with error: exit status 3" },
};
const timedOut = "Task timed out after 2.00 seconds";

/** Of an answer whose type and beginning are given. */
function cases(contentType: string, before: string, process: "stays" | "anew"): readonly StreamCase[] {
  const answers = (text: string): Expected => ({ answers: Buffer.from(before + text), contentType });
  const complete = (text: string): Streamed => ({ body: before + text, contentType, end: "Complete" });
  const cut = (type: string, bodyType: string, message: string): Streamed => ({
    ...{ body: `${before}one `, contentType, end: "Truncated" },
    error: { type, bodyType, message },
  });
  return [
    {
      title: "runtime-api 16, 17, 18: answers in parts",
      event: { act: "parts" },
      streamed: complete("one two three"),
      whole: answers("one two three"),
    },
    {
      title: "streams more than a whole answer may have",
      event: { act: "repeat in parts", count: letters },
      streamed: { body: { letters, after: before }, contentType, end: "Complete" },
      whole: tooLarge(process),
    },
    {
      title: "exits in the middle of its answer",
      event: { act: "exit within" },
      streamed: cut("Sandbox.Failure", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
      ...exited,
    },
    {
      title: "sleeps past its timeout in the middle of its answer",
      event: { act: "sleep within" },
      timeoutSeconds: 2,
      streamed: cut("Sandbox.Timeout", "Sandbox.Timedout", timedOut),
      whole: { platformError: "Sandbox.Timedout", message: timedOut },
    },
  ];
}

function prelude(head: object): StreamCase {
  const body = `${JSON.stringify(head)}${"\0".repeat(8)}created`;
  return {
    title: "answers with status, headers and cookies before its body",
    event: { act: "prelude" },
    streamed: { body, contentType: webType, end: "Complete" },
    whole: { answers: Buffer.from(body), contentType: webType },
  };
}

const binary = "application/octet-stream";
const failsWithin = (act: string, type: string, message: string): StreamCase => ({
  title: `runtime-api 19: fails in the middle of its answer (${type})`,
  event: { act },
  streamed: { body: "one ", contentType: binary, end: "Complete", error: { type, bodyType: type, message } },
  whole: { clientError: type, message, process: "stays" },
});

const failsBefore: Expected = { clientError: "TypeError", message: "no good", process: "stays" };
const node: ClientStreams = {
  handler: "index.stream",
  cases: [
    ...cases(binary, "", "stays"),
    {
      title: "answers with a content type of its own",
      event: { act: "typed" },
      streamed: { body: "typed", contentType: "text/plain", end: "Complete" },
      whole: { answers: Buffer.from("typed"), contentType: "text/plain" },
    },
    prelude({ statusCode: 201, headers: { "x-kind": "prelude" }, cookies: ["a=b"] }),
    {
      title: "fails before its answer begins",
      event: { act: "throw before" },
      streamed: failsBefore,
      whole: failsBefore,
    },
    failsWithin("throw within", "TypeError", "no good"),
    failsWithin("type too late", "Runtime.InvalidStreamingOperation", "Cannot set content-type, too late."),
  ],
};

const rustHead =
  '{"statusCode":200,"headers":{"content-type":"application/octet-stream"},"cookies":[]}' + "\0".repeat(8);
/** It says it in the body instead of in trailers. */
const rustBreak =
  "one Lambda-Runtime-Function-Error-Type: Runtime.StreamError\r\n" +
  `Lambda-Runtime-Function-Error-Body: ${Buffer.from("user body write aborted").toString("base64")}\r\n`;

export const streams: Readonly<Partial<Record<ClientName, ClientStreams>>> = {
  "nodejs24.x": node,
  "nodejs22.x": node,
  go: {
    cases: [
      ...cases(binary, "", "anew"),
      prelude({ statusCode: 201, headers: { "x-kind": "prelude" }, cookies: ["a=b"] }),
      failsWithin("throw within", "customError", "no good"),
    ],
  },
  rust: {
    cases: [
      ...cases(webType, rustHead, "stays"),
      prelude({ statusCode: 201, headers: { "x-kind": "prelude", "content-type": binary }, cookies: ["a=b"] }),
      {
        title: "fails in the middle of its answer",
        event: { act: "throw within" },
        streamed: { body: rustHead + rustBreak, contentType: webType, end: "Complete" },
        whole: { answers: Buffer.from(rustHead + rustBreak), contentType: webType },
      },
    ],
  },
  shell: { cases: cases("text/plain", "", "stays") },
};

/** Where the emulator and the agent differ, and why that is right. What is not here must be the same; what is here must occur. */
import type { Difference } from "./transcript.ts";

export interface Explained {
  /** Each may hold `*` for any text; absent: any. */
  readonly script?: string;
  readonly step?: string;
  readonly field: string;
  readonly emulator: string;
  readonly agent: string;
  readonly reason: string;
  /** Where the reason is written: document and section or case. */
  readonly section: string;
}

const textPlain = "text/plain; charset=utf-8";
const unknownRoute = "Go's HTTP server adds it to its own 404, which clients know by its status; Node.js does not";
const hungUp =
  "Go's HTTP server closes a connection of which no more comes without an answer; ours says what was wrong";
const lateAnswer = "the emulator answers when the runtime has asked for more, AWS when it has the answer";

export const differences: readonly Explained[] = [
  {
    step: "*is answered",
    field: "status",
    emulator: "502",
    agent: "200",
    reason: "a function error is told by a header and not by the status; the emulator's front door is its own",
    section: "lifecycle 3",
  },
  {
    step: "runtime: GET /2018-06-01/ping",
    field: "header content-type",
    emulator: textPlain,
    agent: "absent",
    reason: "Go guesses a type where none was set",
    section: "runtime-api 2, case 29",
  },
  {
    script: "runtime-api 28, 29: *",
    field: "header allow",
    emulator: "*",
    agent: "absent",
    reason: "chi lists the methods of a route; no client asks",
    section: "runtime-api 1, case 29",
  },
  {
    script: "runtime-api 28, 29: *",
    field: "header content-type",
    emulator: textPlain,
    agent: "absent",
    reason: unknownRoute,
    section: "runtime-api 1, case 29",
  },
  {
    script: "runtime-api 28, 29: *",
    field: "header x-content-type-options",
    emulator: "nosniff",
    agent: "absent",
    reason: unknownRoute,
    section: "runtime-api 1, case 29",
  },
  {
    script: "runtime-api 30: *",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: '"first"',
    reason: lateAnswer,
    section: "runtime-api 4, case 30",
  },
  {
    script: "lifecycle 8: *",
    step: "runtime starts (2)",
    field: "started",
    emulator: "no",
    agent: "yes",
    reason: "the emulator answers a failed first init at once; AWS repeats it inside the call",
    section: "lifecycle 1, case 8",
  },
  {
    script: "lifecycle 8: *",
    step: "one is answered",
    field: "body",
    emulator: "",
    agent: '{"errorType":"Runtime.ExitError","errorMessage":"*exit status 6"}',
    reason: "and then it has no payload for a runtime that said nothing",
    section: "lifecycle 3, case 8",
  },
  {
    script: "lifecycle 17: *",
    field: "body",
    emulator: "",
    agent:
      '{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: * Error: fork/exec /var/task/bootstrap: permission denied"}',
    reason: "the emulator has no payload for a runtime that cannot be started in the first init",
    section: "lifecycle 3, case 17",
  },
  {
    script: "lifecycle 2: *",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: * Error: Task timed out after 2.00 seconds"}',
    reason: "the emulator tells a timeout in plain text",
    section: "lifecycle 6 and 3, case 2",
  },
  {
    script: "runtime-api 4, 5, 6, 7, 32: *",
    field: "header content-type",
    emulator: "application/json",
    agent: "application/x-www-form-urlencoded",
    reason: "the emulator's front door drops the caller's content type",
    section: "runtime-api 2.1",
  },
  {
    script: "runtime-api 4, 5, 6, 7, 32: *",
    field: "header lambda-runtime-trace-id",
    emulator: "absent",
    agent: "Root=*;Parent=*;Sampled=1",
    reason: "the emulator's front door drops the caller's trace",
    section: "runtime-api 2.1",
  },
  {
    script: "runtime-api 13*",
    field: "body",
    emulator: '{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded *"}',
    agent: '{"errorMessage":"Response payload size exceeded *","errorType":"Function.ResponseSizeTooLarge"}',
    reason: "as recorded from AWS: the message comes first",
    section: "lifecycle 3, case 21",
  },
  {
    script: "runtime-api 2: an empty response, an empty error",
    step: "two is answered",
    field: "body",
    emulator: "",
    agent: '{"errorType":"Runtime.Unknown","errorMessage":"*"}',
    reason: "where an error has no body the platform builds one from the header",
    section: "runtime-api 2.2",
  },
  {
    script: "runtime-api 23: *",
    step: "three is answered",
    field: "body",
    emulator: "",
    agent: '{"errorType":"Function.MyThing","errorMessage":"*"}',
    reason: "where an error has no body the platform builds one from the header",
    section: "runtime-api 2.2",
  },
  {
    script: "runtime-api 19: *",
    field: "body",
    emulator: '"partly',
    agent: '{"errorMessage":"in mid-stream","errorType":"Own"}',
    reason: "the emulator drops the trailers of a response that is taken whole; here the error is the answer",
    section: "runtime-api 5",
  },
  {
    script: "runtime-api 16: mode *",
    step: "one is answered",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: "",
    reason: "the invocation has failed at once, with an empty payload; the emulator's front door waits on",
    section: "runtime-api 3, InvalidFunctionResponseMode",
  },
  {
    script: "runtime-api 2*: *",
    step: "runtime: POST */response HTTP/1.1 as bytes",
    field: "status",
    emulator: "NaN",
    agent: "400",
    reason: hungUp,
    section: "runtime-api 3, TruncatedHTTPRequest",
  },
  {
    script: "runtime-api 2*: *",
    step: "runtime: POST */response HTTP/1.1 as bytes",
    field: "header *",
    emulator: "absent",
    agent: "*",
    reason: hungUp,
    section: "runtime-api 3, TruncatedHTTPRequest",
  },
  {
    script: "runtime-api 2*: *",
    step: "runtime: POST */response HTTP/1.1 as bytes",
    field: "body",
    emulator: "",
    agent: '{"errorMessage":"HTTP request detected as truncated","errorType":"TruncatedHTTPRequest"}\n',
    reason: hungUp,
    section: "runtime-api 3, TruncatedHTTPRequest",
  },
  {
    script: "runtime-api 2*: *",
    step: "one is answered",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: '{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: * Error: *"}',
    reason: "the invocation has failed at once; the emulator waits for another answer",
    section: "runtime-api 5, case 20",
  },
  {
    script: "runtime-api 2.2: an error that breaks off",
    step: "runtime: POST */error HTTP/1.1 as bytes",
    field: "status",
    emulator: "202",
    agent: "400",
    reason: "the emulator takes what came of an error for the whole",
    section: "runtime-api 3, TruncatedHTTPRequest",
  },
  {
    script: "runtime-api 2.2: an error that breaks off",
    step: "runtime: POST */error HTTP/1.1 as bytes",
    field: "body",
    emulator: '{"status":"OK"}\n',
    agent: '{"errorMessage":"HTTP request detected as truncated","errorType":"TruncatedHTTPRequest"}\n',
    reason: "the emulator takes what came of an error for the whole",
    section: "runtime-api 3, TruncatedHTTPRequest",
  },
  {
    step: "*waits* is answered",
    field: "header lambda-extension-identifier",
    emulator: "absent",
    agent: "<id *>",
    reason: "the developer guide lists it among the headers of the answer",
    section: "extensions-api 3.2",
  },
  {
    step: "*waits* is answered",
    field: "header content-type",
    emulator: textPlain,
    agent: "application/json",
    reason: "Go guesses a type where none was set; a SHUTDOWN event is JSON",
    section: "extensions-api 3.2",
  },
  ...[
    ["Timeout", "TIMEOUT"],
    ["ReleaseFail", "FAILURE"],
    ["spindown", "FAILURE"],
  ].map(([emulator, agent]) => ({
    step: "*waits* is answered",
    field: "body",
    emulator: `{"eventType":"SHUTDOWN","deadlineMs":<epoch ms>,"shutdownReason":"${emulator}"}`,
    agent: `{"eventType":"SHUTDOWN","deadlineMs":<epoch ms>,"shutdownReason":"${agent}"}`,
    reason: "the emulator hands out internal words",
    section: "extensions-api 3.2",
  })),
  {
    script: "extensions-api 6: *",
    field: "*",
    emulator: "*",
    agent: "*",
    reason: "the emulator knows no accountId",
    section: "extensions-api 3.1, case 6",
  },
  {
    script: "extensions-api 7, 8, 9: *",
    field: "body",
    emulator: '{"errorMessage":"*","errorType":"InvalidRequestFormat"}\n',
    agent: '{"errorMessage":"*","errorType":"InvalidRequestFormat"}\n',
    reason: "the words of another JSON parser",
    section: "extensions-api 4",
  },
  {
    script: "extensions-api 1: routes and methods",
    field: "header allow",
    emulator: "*",
    agent: "absent",
    reason: "chi lists the methods of a route; no client asks",
    section: "runtime-api 1, case 29",
  },
  {
    script: "extensions-api 1: routes and methods",
    field: "header content-type",
    emulator: textPlain,
    agent: "absent",
    reason: unknownRoute,
    section: "runtime-api 1, case 29",
  },
  {
    script: "extensions-api 1: routes and methods",
    field: "header x-content-type-options",
    emulator: "nosniff",
    agent: "absent",
    reason: unknownRoute,
    section: "runtime-api 1, case 29",
  },
  {
    script: "lifecycle 23, *",
    step: "one is answered",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: '"served"',
    reason: lateAnswer,
    section: "extensions-api 6, case 21",
  },
  {
    script: "lifecycle 4: *",
    step: "one is answered",
    field: "body",
    emulator: "Task timed out after 2.00 seconds",
    agent: '{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: * Error: Task timed out after 2.00 seconds"}',
    reason: "the emulator tells a timeout in plain text",
    section: "lifecycle 6 and 3, case 2",
  },
  {
    script: "extensions-api 3: *",
    field: "body",
    emulator: "",
    agent:
      '{"errorType":"Extension.LaunchError","errorMessage":"RequestId: * Error: fork/exec /opt/extensions/closed: permission denied"}',
    reason: "the emulator has no payload for an extension that cannot be started in the first init",
    section: "extensions-api 8, case 3",
  },
  ...["AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT"].map((field) => ({
    step: "variables of ext",
    field,
    emulator: "*",
    agent: "absent",
    reason: "the emulator hands its own environment on; AWS keeps these from extensions",
    section: "extensions-api 2, case 33",
  })),
  ...["AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_RUNTIME_DIR"].map((field) => ({
    step: "variables of runtime",
    field,
    emulator: "*",
    agent: "*",
    reason: "the emulator has a fixed name, or none",
    section: "packages-layers-env 6",
  })),
];

export function explains(explained: Explained, difference: Difference): boolean {
  const { script = "*", step = "*", field, emulator, agent } = explained;
  return (
    matches(script, difference.script) &&
    matches(step, difference.step) &&
    matches(field, difference.field) &&
    matches(emulator, difference.emulator) &&
    matches(agent, difference.agent)
  );
}

function matches(pattern: string, text: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const [index, part] of rest.entries()) {
    const at = index === rest.length - 1 && part !== "" ? text.length - part.length : text.indexOf(part, from);
    if (at < from || !text.startsWith(part, at)) return false;
    from = at + part.length;
  }
  return rest.length > 0 ? rest.at(-1) === "" || from === text.length : from === text.length;
}

import { commonExpectations } from "../behaviours.ts";
import { exited, failsInit, type ClientExpectations } from "../client-expectations.ts";

export const python: ClientExpectations = {
  contentType: "application/json",
  errorMembers: ["errorMessage", "errorType", "requestId", "stackTrace"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", requestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", requestId: "<id>", message: "told", errorType: "ValueError", errorMessage: "no good" },
  ],
  textLog: "\t<id>\ttold\nTraceback (most recent call last):\n",
  behaviours: {
    ...commonExpectations,
    error: { clientError: "ValueError", message: "no good", process: "stays" },
    initError: failsInit("ValueError", "no good start"),
    recursion: { clientError: "RecursionError", message: /^maximum recursion depth exceeded/, process: "stays" },
    // It takes a refused answer for the end.
    tooLarge: { tooLarge: true, process: "anew" },
  },
  own: [
    { title: "leaves by sys.exit", event: { act: "leave", status: 3 }, expected: exited("exit status 3") },
    {
      title: "answers bytes",
      event: { act: "bytes" },
      expected: { answers: Buffer.from([0, 1, 255]), contentType: "application/unknown" },
    },
    {
      title: "runtime-api 7: takes the bytes of what is no JSON",
      event: Buffer.from([0, 1, 255]),
      headers: { "content-type": "application/octet-stream" },
      expected: { answers: { bytes: 3 } },
    },
    {
      title: "answers what is no JSON",
      event: { act: "unfit" },
      expected: {
        clientError: "Runtime.MarshalError",
        message: /^Unable to marshal response: .*set is not JSON serializable/,
        process: "stays",
      },
    },
    {
      title: "is given what is no JSON",
      event: Buffer.from("{"),
      expected: { clientError: "Runtime.UnmarshalError", message: /^Unable to unmarshal input: /, process: "stays" },
    },
    {
      title: "lifecycle 10: has no such module",
      event: {},
      document: { handler: "absent.handler" },
      expected: failsInit("Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
    },
    {
      title: "has no such handler",
      event: {},
      document: { handler: "main.absent" },
      expected: failsInit("Runtime.HandlerNotFound", "Handler 'absent' missing on module 'main'"),
    },
    {
      title: "has a malformed handler name",
      event: {},
      document: { handler: "main" },
      expected: failsInit("Runtime.MalformedHandlerName", /^Bad handler 'main': /),
    },
    {
      title: "has a syntax error",
      event: {},
      document: { handler: "broken.handler" },
      expected: failsInit("Runtime.UserCodeSyntaxError", /^Syntax error in module 'broken': /),
    },
    {
      title: "has the name of a module of Python's",
      event: {},
      document: { handler: "sys.handler" },
      expected: failsInit("Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    },
  ],
};

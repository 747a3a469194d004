import { commonExpectations, type Expected } from "../behaviours.ts";
import { exited, failsInit, type ClientExpectations } from "../client-expectations.ts";

const node = {
  contentType: "application/json",
  errorMembers: ["errorType", "errorMessage", "trace"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", requestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", requestId: "<id>", errorType: "TypeError", errorMessage: "with a stack" },
  ],
  textLog: "\t<id>\tINFO\tone line\nand a second one\n",
  behaviours: {
    ...commonExpectations,
    error: { clientError: "TypeError", message: "no good", process: "stays" },
    initError: failsInit("TypeError", "no good start"),
    recursion: { clientError: "RangeError", message: "Maximum call stack size exceeded", process: "stays" },
  },
} as const satisfies Partial<ClientExpectations>;

const nodeModules: ClientExpectations["own"] = [
  {
    title: "has no such module",
    event: {},
    document: { handler: "absent.handler" },
    expected: failsInit("Runtime.ImportModuleError", /^Error: Cannot find module 'absent'\nRequire stack:\n/),
  },
  {
    title: "has no such handler",
    event: {},
    document: { handler: "index.absent" },
    expected: failsInit("Runtime.HandlerNotFound", "index.absent is undefined or not exported"),
  },
  {
    title: "has a malformed handler name",
    event: {},
    document: { handler: "index" },
    expected: failsInit("Runtime.MalformedHandlerName", "Bad handler"),
  },
  {
    title: "lifecycle 9: has a syntax error",
    event: {},
    document: { handler: "broken.handler" },
    expected: failsInit("Runtime.UserCodeSyntaxError", /^SyntaxError: /),
  },
];

const rejection = { title: "leaves a rejection unhandled", event: { act: "reject" } };
const initRejection = {
  title: "leaves a rejection unhandled in init",
  event: { act: "pid" },
  document: { variables: { CLIENT_INIT: "reject" } },
};
const uncaught = { title: "throws where nobody catches", event: { act: "uncaught" } };
const malformedStream = {
  title: "has a malformed streaming handler",
  event: {},
  document: { handler: "index.malformed" },
};
const drained = { title: "has nothing left to wait for", event: { act: "drain" } };

const unhandledRejection: Expected = {
  clientError: "Runtime.UnhandledPromiseRejection",
  message: "RangeError: nobody waits for me",
  process: "anew",
};
export const node3: ClientExpectations = {
  ...node,
  own: [
    ...nodeModules,
    { ...rejection, expected: unhandledRejection },
    { ...initRejection, expected: unhandledRejection },
    { ...uncaught, expected: { clientError: "TypeError", message: "nobody catches me", process: "anew" } },
    { ...drained, expected: { answers: null } },
    // It misses a name of its own while it tells so.
    { ...malformedStream, expected: failsInit("ReferenceError", /is not defined$/) },
  ],
};
/** It leaves all of this to Node.js itself. */
export const node4: ClientExpectations = {
  ...node,
  own: [
    ...nodeModules,
    { ...rejection, expected: exited("exit status 1") },
    { ...initRejection, expected: exited("exit status 1") },
    { ...uncaught, expected: exited("exit status 1") },
    {
      ...drained,
      expected: { platformError: "Runtime.ExitError", message: "Runtime exited without providing a reason" },
    },
    {
      ...malformedStream,
      expected: failsInit("Runtime.MalformedStreamingHandler", "Only response streaming is supported."),
    },
  ],
};

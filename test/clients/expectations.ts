/** What each client does where clients differ, and what only one of them can be asked. Sources: the clients' own code, lifecycle.md 3. */
import type { ClientName } from "./clients.ts";
import { commonExpectations, type Behaviour, type Expected, type Stimulus } from "./behaviours.ts";

export interface ClientExpectations {
  /** Content type of an ordinary answer. */
  readonly contentType: string;
  /** Members of an error's body, in their order. */
  readonly errorMembers: readonly string[];
  /** runtime-api 33: so many calls one after another. */
  readonly calls: number;
  /** Over connections that are kept; otherwise one a call. */
  readonly keepsConnections: boolean;
  /** Members of the lines that act "log" leaves as JSON at level INFO; `<id>` stands for the request id. */
  readonly jsonLog: readonly object[];
  /** A part of what it leaves as text. */
  readonly textLog: string;
  readonly behaviours: Readonly<Record<Behaviour, Expected>>;
  readonly own: readonly (Stimulus & { readonly expected: Expected })[];
}

const exited = (how: string): Expected => ({
  platformError: "Runtime.ExitError",
  message: `Runtime exited with error: ${how}`,
});
const failsInit = (clientError: string, message: string | RegExp, members?: readonly string[]): Expected => ({
  clientError,
  message,
  process: "anew",
  ...(members && { members }),
});

const node = {
  contentType: "application/json",
  errorMembers: ["errorType", "errorMessage", "trace"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", requestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", requestId: "<id>", errorType: "TypeError", errorMessage: "with a stack" },
  ],
  textLog: "\t<id>\tERROR\ttold TypeError: with a stack",
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
const node3: ClientExpectations = {
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
const node4: ClientExpectations = {
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

const python: ClientExpectations = {
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

const java: ClientExpectations = {
  contentType: "application/json",
  errorMembers: ["errorMessage", "errorType", "stackTrace"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", AWSRequestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", AWSRequestId: "<id>", message: "told" },
  ],
  textLog: "[ERROR] told",
  behaviours: {
    ...commonExpectations,
    error: { clientError: "java.lang.IllegalArgumentException", message: "no good", process: "stays" },
    initError: failsInit("java.lang.ExceptionInInitializerError", "Error loading class test.Handler", [
      "errorMessage",
      "errorType",
    ]),
    // An error of the virtual machine is told, then the process ends.
    recursion: {
      clientError: "java.lang.StackOverflowError",
      message: "java.lang.StackOverflowError",
      process: "anew",
    },
    tooLarge: { tooLarge: true, process: "anew" },
  },
  own: [
    {
      title: "has no such class",
      event: {},
      document: { handler: "test.Absent" },
      expected: failsInit("java.lang.ClassNotFoundException", "Class not found: test.Absent", [
        "errorMessage",
        "errorType",
      ]),
    },
    {
      title: "has no such method",
      event: {},
      document: { handler: "test.Handler::absent" },
      expected: failsInit(
        "undefined",
        "No public method named absent with appropriate method signature found on class test.Handler",
        ["errorMessage"],
      ),
    },
    {
      title: "is given what its type cannot hold",
      event: [1],
      expected: {
        clientError: "java.lang.RuntimeException",
        message: "An error occurred during JSON parsing",
        process: "stays",
      },
    },
  ],
};

const go: ClientExpectations = {
  contentType: "application/json",
  errorMembers: ["errorMessage", "errorType"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", requestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", requestId: "<id>", message: "told" },
  ],
  textLog: " level=ERROR message=told requestId=<id>\n",
  behaviours: {
    ...commonExpectations,
    error: { clientError: "errorString", message: "no good", process: "stays" },
    initError: exited("exit status 2"),
    recursion: exited("exit status 2"),
    tooLarge: { tooLarge: true, process: "anew" },
  },
  own: [
    {
      title: "gives an error of its own",
      event: { act: "throw custom" },
      expected: { clientError: "customError", message: "no good", process: "stays" },
    },
    {
      title: "panics",
      event: { act: "panic" },
      expected: {
        clientError: "string",
        message: "no good",
        members: ["errorMessage", "errorType", "stackTrace"],
        process: "anew",
      },
    },
  ],
};

const rust: ClientExpectations = {
  contentType: "application/json",
  errorMembers: ["errorType", "errorMessage"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", fields: { message: "one line\nand a second one" }, span: { requestId: "<id>" } },
    { level: "ERROR", fields: { message: "told" }, span: { requestId: "<id>" } },
  ],
  textLog: 'ERROR Lambda runtime invoke{requestId="<id>"}: told\n',
  behaviours: {
    ...commonExpectations,
    error: {
      clientError: "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
      message: "no good",
      process: "stays",
    },
    initError: exited("exit status 1"),
    recursion: exited("signal: aborted"),
  },
  own: [
    {
      title: "gives an error of its own",
      event: { act: "throw custom" },
      expected: { clientError: "CustomError", message: "no good", process: "stays" },
    },
    {
      title: "panics",
      event: { act: "panic" },
      expected: {
        clientError: "&alloc::boxed::Box<dyn core::any::Any + core::marker::Send>",
        message: "Lambda panicked: no good",
        process: "stays",
      },
    },
    {
      title: "panics in init",
      event: {},
      document: { variables: { CLIENT_INIT: "panic" } },
      expected: exited("exit status 101"),
    },
  ],
};

const shell: ClientExpectations = {
  contentType: "application/x-www-form-urlencoded",
  errorMembers: ["errorMessage", "errorType", "stackTrace"],
  // Each is half a dozen processes.
  calls: 100,
  keepsConnections: false,
  jsonLog: [{ level: "INFO", message: "one line" }],
  textLog: "no JSON at all\n",
  behaviours: {
    ...commonExpectations,
    nothing: { answers: Buffer.alloc(0) },
    error: { clientError: "TutorialError", message: "no good", process: "stays" },
    initError: failsInit("TutorialError", "no good start"),
    recursion: exited("signal: segmentation fault"),
  },
  own: [],
};

export const expectations: Readonly<Record<ClientName, ClientExpectations>> = {
  "nodejs24.x": node4,
  "nodejs22.x": node3,
  "python3.11": python,
  "python3.13": python,
  java17: java,
  go,
  rust,
  shell,
};

import { commonExpectations } from "../behaviours.ts";
import { exited, failsInit, type ClientExpectations } from "../client-expectations.ts";

export const go: ClientExpectations = {
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

export const rust: ClientExpectations = {
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

export const shell: ClientExpectations = {
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

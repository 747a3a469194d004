import { commonExpectations } from "../behaviours.ts";
import { failsInit, type ClientExpectations } from "../client-expectations.ts";

export const java: ClientExpectations = {
  contentType: "application/json",
  errorMembers: ["errorMessage", "errorType", "stackTrace"],
  calls: 1000,
  keepsConnections: true,
  jsonLog: [
    { level: "INFO", AWSRequestId: "<id>", message: "one line\nand a second one" },
    { level: "ERROR", AWSRequestId: "<id>", message: "told" },
  ],
  textLog: "\n[ERROR] told\n",
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

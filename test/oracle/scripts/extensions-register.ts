/** What extensions are told by the register call, and who may make it when (extensions-api 3, 4 and 5). */
import { eventNext, extensionError, next, register, response } from "../calls.ts";
import { begin, call, finish, invoke, starts, type Script, type Step } from "../script.ts";

const ext = (of: Parameters<typeof call>[1]): Step => call("ext", of);
const runtime = (of: Parameters<typeof call>[1]): Step => call("runtime", of);
const both = '{"events":["INVOKE","SHUTDOWN"]}';
const own = "{id ext}";
/** From where the extension has registered to the answer of the first event. */
const served = [
  begin("ext", "ext waits", eventNext(own)),
  starts("runtime"),
  runtime(next),
  runtime(response('"served"')),
];
const unknown = "00000000-0000-4000-8000-000000000000";

export const extensionRegisterScripts: readonly Script[] = [
  {
    title: "extensions-api 5: register for both events",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext(register("ext", both)),
      begin("ext", "ext waits", eventNext(own)),
      starts("runtime"),
      runtime(next),
    ],
  },
  {
    title: "extensions-api 6: the feature accountId",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext(register("ext", both, [["lambda-extension-accept-feature", "foo, accountId"]])),
    ],
  },
  {
    title: "extensions-api 7, 8, 9: register calls that are refused",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext(register(undefined, both)),
      ext(register("", both)),
      ext(register("ext", "")),
      ext(register("ext", "[]")),
      ext(register("ext", "{")),
      ext(register("ext", '{"events":"INVOKE"}')),
      ext(register("ext", '{"events":["invoke"]}')),
      ext(register("ext", '{"events":["RESTART","INVOKE"]}')),
      ext(register("ext", '{"events":["INVOKE"],"configurationKeys":["a"]}')),
      ext(register("ext", '{"events":["INVOKE"],"configurationKeys":[],"more":1}', [["content-type", "text/plain"]])),
    ],
  },
  ...["{}", '{"events":null}', '{"events":[]}', '{"events":["INVOKE","INVOKE"]}'].map((body): Script => ({
    title: `extensions-api 8: register with ${body}`,
    extensions: ["ext"],
    steps: [invoke("one"), starts("ext"), ext(register("ext", body))],
  })),
  {
    title: "extensions-api 10, 4: an external that registers twice, and one by another name",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext(register("other", both)),
      ext(register("ext", both)),
      ext(register("ext", both)),
      ext(register("ext", '{"events":["INVOKE"]}')),
    ],
  },
  {
    title: "extensions-api 4: a file that registers without its ending is an internal one",
    extensions: ["ext.sh"],
    steps: [
      invoke("one"),
      starts("ext.sh"),
      call("ext.sh", register("ext", both)),
      call("ext.sh", register("ext", '{"events":["INVOKE"]}')),
      call("ext.sh", register("ext.sh", both)),
    ],
  },
  {
    title: "extensions-api 11, 13: internal extensions",
    steps: [
      invoke("one"),
      starts("runtime"),
      runtime(register("inside", '{"events":["SHUTDOWN"]}')),
      runtime(register("inside", '{"events":["INVOKE"]}')),
      runtime(register("inside", '{"events":["INVOKE"]}')),
      begin("runtime", "inside waits", eventNext("{id runtime}")),
      runtime(next),
      runtime(register("late", '{"events":["INVOKE"]}')),
      finish("inside waits"),
      runtime(response('"served"')),
      begin("runtime", "inside waits again", eventNext("{id runtime}")),
      begin("runtime", "next", next),
      finish("one"),
    ],
  },
  {
    title: "extensions-api 12: an eleventh extension",
    steps: [
      invoke("one"),
      starts("runtime"),
      ...Array.from({ length: 11 }, (_, i) => runtime(register(`inside-${i + 1}`, '{"events":["INVOKE"]}'))),
    ],
  },
  {
    title: "extensions-api 14: event/next without identifier, with a bad one, with an unknown one",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext(eventNext(undefined)),
      ext(eventNext("abc")),
      ext(eventNext(unknown)),
      ext(register("ext", both)),
      ext(eventNext("")),
      ext(eventNext("abc")),
      ext(eventNext(unknown)),
    ],
  },
  {
    title: "extensions-api 29: init/error and exit/error, their headers",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ...(["init", "exit"] as const).flatMap((kind) => [
        ext(extensionError(kind, undefined, "Own.Type")),
        ext(extensionError(kind, "abc", "Own.Type")),
        ext(extensionError(kind, unknown, "Own.Type")),
      ]),
      ext(register("ext", both)),
      ext(extensionError("init", own)),
      ext(extensionError("exit", own)),
      ext(extensionError("init", own, "Own.Type", '{"errorMessage":"m","errorType":"t","stackTrace":[]}')),
    ],
  },
  {
    title: "extensions-api 1: routes and methods",
    extensions: ["ext"],
    steps: [
      invoke("one"),
      starts("ext"),
      ext({ method: "GET", path: "/2020-01-01/extension/register" }),
      ext({ method: "POST", path: "/2020-01-01/extension/event/next" }),
      ext({ method: "GET", path: "/2020-01-01/extension/init/error" }),
      ext({ method: "GET", path: "/2020-01-01/extension/nothing" }),
      ext({ method: "GET", path: "/2020-01-01/" }),
      ext(register("ext", both)),
      ...served,
      finish("ext waits"),
    ],
  },
];

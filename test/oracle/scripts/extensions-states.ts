/** Every row of the state table of extensions, their events and their ends (extensions-api 5 to 8). */
import { eventNext, extensionError, initError, next, register, response } from "../calls.ts";
import { begin, call, ends, exit, finish, invoke, starts, type Script, type Step } from "../script.ts";

const ext = (of: Parameters<typeof call>[1]): Step => call("ext", of);
const runtime = (of: Parameters<typeof call>[1]): Step => call("runtime", of);
const both = '{"events":["INVOKE","SHUTDOWN"]}';
const own = "{id ext}";
const waits = (name: string, role = "ext"): Step => begin(role, name, eventNext(`{id ${role}}`));
const registered = (events = both): Step[] => [invoke("one"), starts("ext"), ext(register("ext", events))];
/** Init is over and the first event is out; the extension holds it if it wants INVOKE. */
const running = (events = both): Step[] => [
  ...registered(events),
  waits("ext waits"),
  starts("runtime"),
  runtime(next),
];
const answered = [runtime(response('"served"')), begin("runtime", "next after one", next)];
const failInit = extensionError("init", own, "Own.Init");
const failExit = extensionError("exit", own, "Own.Exit");

/** The extension has ended in an invocation: the next one, under way, repeats the init. */
const crashed = [
  ...running(),
  finish("ext waits"),
  exit("ext", 2),
  finish("one"),
  invoke("two", '{"n":2}'),
  starts("ext", 2),
];

export const extensionStateScripts: readonly Script[] = [
  {
    title: "extensions-api 5, state Registered: init/error",
    extensions: ["ext"],
    steps: [
      ...registered(),
      ext(failInit),
      ext(failInit),
      ext(failExit),
      ext(eventNext(own)),
      ext(register("ext", both)),
    ],
  },
  {
    title: "extensions-api 5, state Registered: exit/error",
    extensions: ["ext"],
    steps: [
      ...registered(),
      ext(failExit),
      ext(failExit),
      ext(failInit),
      ext(eventNext(own)),
      ext(register("ext", both)),
    ],
  },
  {
    title: "extensions-api 15, state Ready: a second next, register and init/error are refused",
    extensions: ["ext"],
    steps: [...running('{"events":["SHUTDOWN"]}'), ext(eventNext(own)), ext(register("ext", both)), ext(failInit)],
  },
  {
    title: "extensions-api 5, state Ready: exit/error",
    extensions: ["ext"],
    steps: [...running('{"events":["SHUTDOWN"]}'), ext(failExit), ext(failExit)],
  },
  {
    title: "extensions-api 5, state Running: register, init/error, exit/error",
    extensions: ["ext"],
    steps: [
      ...running(),
      finish("ext waits"),
      ext(register("ext", both)),
      ext(failInit),
      ext(failExit),
      ext(eventNext(own)),
    ],
  },
  {
    title: "extensions-api 16, 17: an INVOKE event, and the next one",
    extensions: ["ext"],
    steps: [
      ...running(),
      finish("ext waits"),
      waits("ext waits again"),
      ...answered,
      finish("one"),
      invoke("two", '{"n":2}'),
      finish("next after one"),
      finish("ext waits again"),
      runtime(response('"second"')),
      begin("runtime", "next after two", next),
      waits("ext waits for the third"),
      finish("two"),
    ],
  },
  {
    title: "extensions-api 18: registered for SHUTDOWN only: no event, no delay",
    extensions: ["ext"],
    steps: [...running('{"events":["SHUTDOWN"]}'), ...answered, finish("one"), invoke("two"), finish("next after one")],
  },
  {
    title: "extensions-api 1, 19: two extensions, one of which wants nothing",
    extensions: ["ext", "quiet"],
    steps: [
      invoke("one"),
      starts("ext"),
      starts("quiet"),
      ext(register("ext", both)),
      call("quiet", register("quiet", '{"events":[]}')),
      starts("runtime"),
      waits("ext waits"),
      begin("runtime", "first next", next),
      waits("quiet waits", "quiet"),
      finish("first next"),
      finish("ext waits"),
      runtime(response('"served"')),
      begin("runtime", "next after one", next),
      waits("ext waits again"),
      finish("one"),
    ],
  },
  {
    title: "lifecycle 23, extensions-api 21, 32: an INVOKE subscriber that does not come back; then all starts anew",
    extensions: ["ext"],
    timeoutSeconds: 2,
    steps: [
      ...running(),
      finish("ext waits"),
      ...answered,
      finish("one"),
      ends("ext"),
      invoke("two", '{"n":2}'),
      starts("ext", 2),
      ext(eventNext(own)),
      ext(register("ext", both)),
      waits("ext waits anew"),
      starts("runtime", 2),
      runtime(next),
      finish("ext waits anew"),
    ],
  },
  {
    title: "lifecycle 4: a timeout: SHUTDOWN with its reason, then all starts anew with other identifiers",
    extensions: ["ext"],
    timeoutSeconds: 2,
    steps: [
      ...running(),
      finish("ext waits"),
      waits("ext waits for the end"),
      finish("ext waits for the end"),
      exit("ext", 0),
      finish("one"),
      invoke("two", '{"n":2}'),
      starts("ext", 2),
      ext(register("ext", both)),
      waits("ext waits anew"),
      starts("runtime", 2),
      runtime(next),
      finish("ext waits anew"),
    ],
  },
  {
    title: "lifecycle 6: exit of the runtime: SHUTDOWN with its reason",
    extensions: ["ext"],
    steps: [
      ...running(),
      finish("ext waits"),
      waits("ext waits for the end"),
      exit("runtime", 3),
      finish("ext waits for the end"),
      exit("ext", 0),
      finish("one"),
    ],
  },
  {
    title: "extensions-api 27: not subscribed to SHUTDOWN: killed without an event",
    extensions: ["ext"],
    steps: [
      ...running('{"events":["INVOKE"]}'),
      finish("ext waits"),
      waits("ext waits for the end"),
      exit("runtime", 3),
      ends("ext"),
      finish("one"),
    ],
  },
  {
    title: "lifecycle 19: exit 1 of an extension in an invocation",
    extensions: ["ext"],
    steps: [...running(), finish("ext waits"), exit("ext", 1), finish("one")],
  },
  {
    title: "extensions-api 28: exit 0 of an extension in an invocation; the next one runs in new processes",
    extensions: ["ext"],
    steps: [
      ...running(),
      finish("ext waits"),
      exit("ext", 0),
      finish("one"),
      invoke("two", '{"n":2}'),
      starts("ext", 2),
      ext(register("ext", both)),
      waits("ext waits anew"),
      starts("runtime", 2),
      runtime(next),
      finish("ext waits anew"),
      runtime(response('"anew"')),
      begin("runtime", "next after two", next),
      waits("ext waits again"),
      finish("two"),
    ],
  },
  {
    title: "extensions-api 31: exit/error and exit in an invocation",
    extensions: ["ext"],
    steps: [...running(), finish("ext waits"), ext(failExit), exit("ext", 1), finish("one")],
  },
  {
    title: "extensions-api 30: init/error and exit in a repeated init",
    extensions: ["ext"],
    steps: [...crashed, ext(register("ext", both)), ext(failInit), exit("ext", 1), finish("two")],
  },
  {
    title: "lifecycle 19: exit in a repeated init, before it registers; the next call is served",
    extensions: ["ext"],
    steps: [
      ...crashed,
      exit("ext", 1),
      finish("two"),
      invoke("three", '{"n":3}'),
      starts("ext", 3),
      ext(register("ext", both)),
      waits("ext waits anew"),
      starts("runtime", 2),
      runtime(next),
      finish("ext waits anew"),
      runtime(response('"anew"')),
      begin("runtime", "next after three", next),
      waits("ext waits again"),
      finish("three"),
    ],
  },
  {
    title: "lifecycle 19: exit in a repeated init, after it registered",
    extensions: ["ext"],
    steps: [...crashed, ext(register("ext", both)), exit("ext", 0), finish("two")],
  },
  {
    title: "lifecycle 24: the first of two failures counts",
    extensions: ["ext"],
    steps: [...running(), finish("ext waits"), exit("ext", 4), ends("runtime"), finish("one")],
  },
  {
    title: "extensions-api 3: a file that may not be executed",
    extensions: [{ file: "closed", text: "#!/bin/sh\n", mode: 0o644 }],
    steps: [invoke("one"), finish("one")],
  },
  {
    title: "runtime-api 26, with an extension: init/error of the runtime",
    extensions: ["ext"],
    steps: [
      ...registered(),
      waits("ext waits"),
      starts("runtime"),
      runtime(initError('{"errorMessage":"no","errorType":"Own.Failure"}')),
      exit("runtime", 1),
      finish("ext waits"),
    ],
  },
];

/** Environment of a runtime and of an external extension (extensions-api 33, packages-layers-env 6). */
const everywhere = [
  "AWS_LAMBDA_FUNCTION_NAME",
  "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
  "AWS_LAMBDA_FUNCTION_VERSION",
  "AWS_REGION",
  "AWS_LAMBDA_RUNTIME_API",
  "GREETING",
];
const runtimeOnly = [
  "_HANDLER",
  "AWS_EXECUTION_ENV",
  "AWS_LAMBDA_LOG_GROUP_NAME",
  "AWS_LAMBDA_LOG_STREAM_NAME",
  "LAMBDA_TASK_ROOT",
  "LAMBDA_RUNTIME_DIR",
  "_X_AMZN_TRACE_ID",
  "AWS_LAMBDA_MAX_CONCURRENCY",
];

export const variableScripts: readonly Script[] = [
  {
    title: "extensions-api 33, packages-layers-env 17: variables",
    extensions: ["ext"],
    steps: [
      ...registered(),
      { do: "variables", role: "ext", names: [...everywhere, ...runtimeOnly] },
      waits("ext waits"),
      starts("runtime"),
      { do: "variables", role: "runtime", names: [...everywhere, ...runtimeOnly] },
    ],
  },
];

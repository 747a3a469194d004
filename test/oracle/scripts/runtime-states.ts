/** Every row of the Runtime API's state table (runtime-api 3 and 4). */
import { error, get, initError, next, response, restoreError, restoreNext } from "../calls.ts";
import { begin, call, exit, finish, invoke, starts, type Script, type Step } from "../script.ts";

const otherId = "00000000-0000-4000-8000-000000000000";
const runtime = (of: Parameters<typeof call>[1]): Step => call("runtime", of);
/** One event taken. */
const running = [invoke("one", '{"n":1}'), starts("runtime"), runtime(next)];
/** The runtime asks for more, without which the emulator answers nobody. */
const done = (name: string): Step[] => [begin("runtime", `next after ${name}`, next), finish(name)];
/** One event taken and answered, `next after one` begun. */
const answered = [...running, runtime(response('"first"')), ...done("one")];

export const runtimeStateScripts: readonly Script[] = [
  {
    title: "runtime-api 28, 29: routes that are not there, and ping",
    steps: [
      invoke("one"),
      starts("runtime"),
      runtime(get("/2018-06-01/ping")),
      runtime({ method: "POST", path: "/2018-06-01/ping" }),
      runtime({ method: "POST", path: "/2018-06-01/runtime/invocation/next" }),
      runtime({ method: "PUT", path: `/2018-06-01/runtime/invocation/${otherId}/response` }),
      runtime(get(`/2018-06-01/runtime/invocation/${otherId}/error`)),
      runtime({ method: "DELETE", path: "/2018-06-01/runtime/init/error" }),
      runtime(get("/2018-06-01/runtime/nothing")),
      runtime(get("/2018-06-01/runtime/invocation/next/")),
      runtime(get("/2018-06-01/")),
      runtime(get("/")),
      runtime(restoreNext),
      runtime(restoreError),
      runtime(get("/2021-04-23/credentials")),
      runtime(next),
      runtime(response("{}")),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 4, state Started: no event yet",
    steps: [
      invoke("one"),
      starts("runtime"),
      runtime(response("{}", {}, otherId)),
      runtime(error("{}", {}, otherId)),
      runtime(response("{}", {}, "not-a-uuid")),
      runtime(next),
      runtime(response('"served"')),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 26, state InitError: only the end is left",
    steps: [
      invoke("one"),
      starts("runtime"),
      runtime(initError('{"errorMessage":"no","errorType":"Own.Failure"}')),
      runtime(initError('{"errorMessage":"twice","errorType":"Own.Failure"}')),
      runtime(response("{}", {}, otherId)),
      runtime(error("{}", {}, otherId)),
      runtime(next),
    ],
  },
  {
    title: "runtime-api 11, 27, state Ready: nothing to answer",
    steps: [
      ...answered,
      runtime(response("{}")),
      runtime(error("{}")),
      runtime(response("{}", {}, otherId)),
      runtime(initError("{}")),
      invoke("two", '{"n":2}'),
      finish("next after one"),
      runtime(response('"second"')),
      ...done("two"),
    ],
  },
  {
    title: "runtime-api 8, 9, 12, 27, state Running: the event again, wrong ids, the answer",
    steps: [
      ...running,
      runtime(next),
      runtime(response("{}", {}, otherId)),
      runtime(error("{}", {}, otherId)),
      runtime(response("{}", {}, "not-a-uuid")),
      runtime(initError("{}")),
      runtime(next),
      runtime(response('"at last"')),
      ...done("one"),
    ],
  },
  {
    title: "runtime-api 10, state RuntimeResponseSentState: not a second answer",
    steps: [
      ...running,
      runtime(response('"first"')),
      runtime(response('"again"')),
      runtime(error('"again"')),
      runtime(response('"again"', {}, otherId)),
      runtime(initError("{}")),
      ...done("one"),
      invoke("two", '{"n":2}'),
      finish("next after one"),
      runtime(error('{"errorType":"Own"}')),
      runtime(response('"again"')),
      runtime(error('"again"')),
      ...done("two"),
    ],
  },
  {
    title: "runtime-api 30: the answer needs no next",
    timeoutSeconds: 2,
    steps: [...running, runtime(response('"first"')), finish("one")],
  },
  {
    title: "runtime-api 30, 31: several events one after another",
    steps: [1, 2, 3].flatMap((n) => [
      invoke(`call ${n}`, `{"n":${n}}`),
      ...(n === 1 ? [starts("runtime"), runtime(next)] : [finish(`next ${n}`)]),
      runtime(response(`"answer ${n}"`)),
      begin("runtime", `next ${n + 1}`, next),
      finish(`call ${n}`),
    ]),
  },
];

/** An invocation whose runtime is gone: the next one repeats the init. */
const crashed = [...running, exit("runtime", 1), finish("one")];

/** What the runtime process does that is no call (lifecycle 5, 6, 8, 22). */
export const runtimeEndScripts: readonly Script[] = [
  {
    title: "lifecycle 5: exit 0 in an invocation; the next one has a new process",
    steps: [
      ...running,
      exit("runtime", 0),
      finish("one"),
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      runtime(next),
      runtime(response('"anew"')),
      ...done("two"),
    ],
  },
  {
    title: "lifecycle 6: exit 3 in an invocation",
    steps: [...running, exit("runtime", 3), finish("one")],
  },
  {
    title: "lifecycle 7: SIGKILL in an invocation",
    steps: [...running, { do: "kill", role: "runtime", signal: "SIGKILL" }, finish("one")],
  },
  {
    title: "lifecycle 22: exit after the answer, before next",
    steps: [
      ...running,
      runtime(response('"first"')),
      exit("runtime", 1),
      finish("one"),
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      runtime(next),
      runtime(response('"anew"')),
      ...done("two"),
    ],
  },
  {
    title: "lifecycle 8: exit in init, and again in the second try",
    steps: [
      invoke("one"),
      starts("runtime"),
      exit("runtime", 5),
      { do: "starts", role: "runtime", nth: 2, limitMs: 4_000 },
      exit("runtime", 6),
      finish("one"),
    ],
  },
  {
    title: "lifecycle, section 1: init/error in a repeated init is the answer of the call, and the next one is served",
    steps: [
      ...crashed,
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      runtime(initError('{"errorMessage":"second try","errorType":"Own.Failure"}', [["content-type", "text/plain"]])),
      exit("runtime", 1),
      finish("two"),
      invoke("three", '{"n":3}'),
      starts("runtime", 3),
      runtime(next),
      runtime(response('"third try"')),
      ...done("three"),
    ],
  },
  {
    title: "lifecycle 34: exit in every repeated init",
    steps: [
      ...crashed,
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      exit("runtime", 6),
      finish("two"),
      invoke("three", '{"n":3}'),
      starts("runtime", 3),
      exit("runtime", 7),
      finish("three"),
    ],
  },
  {
    title: "lifecycle 2: the timeout; the next call has a new process",
    timeoutSeconds: 2,
    steps: [
      ...running,
      finish("one"),
      { do: "ends", role: "runtime" },
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      runtime(next),
      runtime(response('"anew"')),
      ...done("two"),
    ],
  },
  {
    title: "runtime-api 4, note 1: the id is current in a repeated init",
    steps: [
      ...crashed,
      invoke("two", '{"n":2}'),
      starts("runtime", 2),
      runtime(response("{}", {}, otherId)),
      runtime(initError('{"errorMessage":"no","errorType":"Own.Failure"}')),
      runtime(next),
      exit("runtime", 1),
      finish("two"),
    ],
  },
  {
    title: "lifecycle 17: a bootstrap that may not be executed",
    bootstrap: { text: "#!/bin/sh\n", mode: 0o644 },
    steps: [invoke("one"), finish("one")],
  },
];

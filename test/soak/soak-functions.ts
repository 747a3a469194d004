import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";

/** A function that understands every act of call-plan.ts. */
export interface SoakFunction {
  /** Type of the error that it throws when it is asked to. */
  readonly thrown: string;
  /** `version` comes back in every answer. `ledgerUrl`, where there is one, is told of each call before it is carried out. */
  readonly spec: (version: number, ledgerUrl?: string) => FunctionSpecInput;
}

/** A module of this class of error is what `brokenInit` throws. */
export const brokenInitError = "BrokenInit";

/** So that a hang ends soon and no other call comes near it. */
const timeout = 5;
/** So that environments go soon after the load. */
const idleTimeoutSeconds = 8;

export const nodeFunction: SoakFunction = {
  thrown: "RangeError",
  spec: (version, ledgerUrl = "") => ({
    runtime: "nodejs24.x",
    handler: "index.handler",
    ...{ timeout, idleTimeoutSeconds },
    code: { files: { "index.mjs": nodeCode(version, ledgerUrl) } },
  }),
};

/** Code that fails while it is loaded. */
export function brokenInit(version: number): FunctionSpecInput {
  const code = `class ${brokenInitError} extends Error { name = "${brokenInitError}"; }\nthrow new ${brokenInitError}("code ${version}");\n`;
  return { ...nodeFunction.spec(version), code: { files: { "index.mjs": code } } };
}

/** `runtime`: a Python that is there. */
export function pythonFunction(runtime: string): SoakFunction {
  return {
    thrown: "ValueError",
    spec: (version, ledgerUrl = "") => ({
      runtime,
      handler: "app.handler",
      ...{ timeout, idleTimeoutSeconds },
      code: { files: { "app.py": pythonCode(version, ledgerUrl) } },
    }),
  };
}

export const shellFunction: SoakFunction = {
  thrown: "ShellError",
  spec: (version, ledgerUrl = "") => ({
    runtime: "provided.al2023",
    handler: "unused",
    ...{ timeout, idleTimeoutSeconds },
    code: { files: { bootstrap: shellCode(version, ledgerUrl) } },
  }),
};

function nodeCode(version: number, ledgerUrl: string): string {
  const tell = ledgerUrl === "" ? "" : `  await fetch("${ledgerUrl}/" + event.call, { method: "POST" });\n`;
  return `let running = 0;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const handler = async (event) => {
  const overlap = running > 0;
${tell}  running += 1;
  try {
    if (event.act === "wait") await pause(event.waitMs);
    if (event.act === "throw") throw new RangeError("call " + event.call);
    if (event.act === "exit") process.exit(3);
    if (event.act === "hang") await pause(60_000);
    if (event.act === "stray") answerOnceMore();
    return { event, version: ${version}, overlap };
  } finally {
    running -= 1;
  }
};
// An answer that comes too late, without an invocation to belong to.
function answerOnceMore() {
  const url = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2018-06-01/runtime/invocation/" + crypto.randomUUID() + "/response";
  setTimeout(() => void fetch(url, { method: "POST", body: '"stray"' }).catch(() => undefined), 20);
}
`;
}

function pythonCode(version: number, ledgerUrl: string): string {
  const tell =
    ledgerUrl === "" ? "" : `    urllib.request.urlopen("${ledgerUrl}/%d" % event["call"], data=b"").read()\n`;
  return `import os, threading, time, urllib.request

def answer_once_more(request_id):
    time.sleep(0.05)
    url = "http://%s/2018-06-01/runtime/invocation/%s/response" % (os.environ["AWS_LAMBDA_RUNTIME_API"], request_id)
    try:
        urllib.request.urlopen(url, data=b'"stray"').read()
    except OSError:
        pass

def handler(event, context):
${tell}    act = event["act"]
    if act == "wait":
        time.sleep(event["waitMs"] / 1000)
    if act == "throw":
        raise ValueError("call %d" % event["call"])
    if act == "exit":
        os._exit(3)
    if act == "hang":
        time.sleep(60)
    if act == "stray":
        threading.Thread(target=answer_once_more, args=(context.aws_request_id,), daemon=True).start()
    return {"event": event, "version": ${version}}
`;
}

function shellCode(version: number, ledgerUrl: string): string {
  const tell = ledgerUrl === "" ? "" : `  curl -sS -o /dev/null --data-binary "" "${ledgerUrl}/$call"\n`;
  return `#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
head="$(mktemp)"
post() { printf '%s' "$2" | curl -sS -o /dev/null --data-binary @- "$api/$1"; }
while true; do
  event="$(curl -sS -D "$head" "$api/next")" || exit 1
  id="$(sed -n 's/^lambda-runtime-aws-request-id: *\\([^[:space:]]*\\).*/\\1/Ip' "$head")"
  call="$(printf '%s' "$event" | sed 's/.*"call":\\([0-9]*\\).*/\\1/')"
${tell}  case "$event" in
    *'"act":"wait"'*) sleep 0.1 ;;
    *'"act":"exit"'*) exit 3 ;;
    *'"act":"hang"'*) sleep 60 ;;
    *'"act":"stray"'*) (sleep 0.1; post "$id/response" '"stray"') & ;;
    *'"act":"throw"'*) post "$id/error" '{"errorType":"ShellError","errorMessage":"call '"$call"'"}'; continue ;;
  esac
  post "$id/response" '{"version":${version},"event":'"$event"'}'
done
`;
}

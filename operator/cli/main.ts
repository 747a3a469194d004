/** The command line and the image's entry point: the first word picks the process, one file each. */
import { keepNewObjectsYoung } from "../../lib/keep-new-objects-young.ts";

interface Command {
  readonly summary: string;
  readonly run: (args: readonly string[]) => Promise<void>;
}

const commands: Readonly<Record<string, Command>> = {
  local: {
    summary: "local <dir> [--port 3001]   serve the manifests of a folder without a cluster",
    run: async (args) => (await import("../../local/main.ts")).localMain(args, process.env),
  },
  import: {
    summary: "import FILE...               manifests of what the AWS CLI says of functions, or of a SAM template",
    run: async (args) => (await import("./import.ts")).importMain(args),
  },
  push: {
    summary: "push <zip|folder> [-n team]  send a package to the store, to name it by its digest",
    run: async (args) => (await import("./push.ts")).pushMain(args, process.env),
  },
  top: {
    summary: "top [-n team | -A]          what functions do now: ready, busy, waiting, throttled",
    run: async (args) => (await import("./top.ts")).topMain(args, process.env),
  },
  "access-key": {
    summary: "access-key create|list|delete   AWS access keys, each of a ServiceAccount",
    run: async (args) => (await import("./access-key.ts")).accessKeyMain(args, process.env),
  },
  operator: {
    summary: "operator                    reconcile the five kinds (in a cluster)",
    run: async () => (await import("../operator.ts")).operatorMain(process.env),
  },
  router: {
    summary: "router                      Invoke API (in a cluster)",
    run: async () => (await import("../../runtime-proxy/router.ts")).routerMain(process.env),
  },
  packages: {
    summary: "packages                    package store (in a cluster)",
    run: async () => (await import("../../runtime-proxy/packages.ts")).packagesMain(process.env),
  },
  cache: {
    summary: "cache                       a node's copies of packages (in a cluster)",
    run: async () => (await import("../../runtime-proxy/cache.ts")).cacheMain(process.env),
  },
  fetch: {
    summary: "fetch                       one source that takes a tenant's Secret (in a pod of the tenant's)",
    run: async () => (await import("../../runtime-proxy/fetch.ts")).fetchMain(process.env),
  },
};

function usage(): string {
  const lines = Object.values(commands).map((command) => `  ${command.summary}`);
  return `kubelambda runs AWS Lambda functions on Kubernetes\n\n${lines.join("\n")}\n`;
}

keepNewObjectsYoung();
const [name = "help", ...args] = process.argv.slice(2);
const command = commands[name];
if (command !== undefined) {
  await command.run(args);
} else if (name === "help" || name === "--help") {
  process.stdout.write(usage());
} else {
  process.stderr.write(`Cannot run "${name}": no such command\n\n${usage()}`);
  process.exitCode = 2;
}

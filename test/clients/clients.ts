/** AWS's runtime interface clients (and a shell), each with a handler in its language, built from sources by its own package manager. */

export interface Client {
  /** As a user names the client. */
  readonly title: string;
  /** Runtime identifier of its functions: `provided.*` has its bootstrap in the task, the others in the runtime's folder. */
  readonly runtime: string;
  readonly handler: string;
  /** What a managed runtime has in /var/runtime and /var/lang. */
  readonly runtimePart?: Part;
  readonly taskPart: Part;
}

/** Folders of its sources below test/clients: `build.sh` is in the last. */
export type Part = readonly string[];

const node = { handler: "index.handler", taskPart: ["node"] } as const;
const python = { handler: "main.handler", taskPart: ["python"] } as const;
const osOnly = { runtime: "provided.al2023", handler: "any" } as const;

export const clients = {
  "nodejs24.x": {
    ...node,
    title: "aws-lambda-ric 4 on Node.js 24",
    runtime: "nodejs24.x",
    runtimePart: ["common", "node-addon", "nodejs24.x"],
  },
  "nodejs22.x": {
    ...node,
    title: "aws-lambda-ric 3 on Node.js 22",
    runtime: "nodejs22.x",
    runtimePart: ["common", "node-addon", "nodejs22.x"],
  },
  "python3.11": {
    ...python,
    title: "awslambdaric on Python 3.11",
    runtime: "python3.11",
    runtimePart: ["common", "awslambdaric", "python3.11"],
  },
  "python3.13": {
    ...python,
    title: "awslambdaric on Python 3.13",
    runtime: "python3.13",
    runtimePart: ["common", "awslambdaric", "python3.13"],
  },
  java17: {
    title: "aws-lambda-java-runtime-interface-client on Java 17",
    runtime: "java17",
    handler: "test.Handler",
    runtimePart: ["common", "java17"],
    taskPart: ["java"],
  },
  go: { ...osOnly, title: "aws-lambda-go", taskPart: ["go"] },
  rust: { ...osOnly, title: "lambda_runtime", taskPart: ["rust"] },
  shell: { ...osOnly, title: "a shell with curl", taskPart: ["shell"] },
} as const satisfies Record<string, Client>;

export type ClientName = keyof typeof clients;

export const clientNames = Object.keys(clients) as readonly ClientName[];

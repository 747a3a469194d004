/** AWS's runtime interface clients (and a shell), each with a handler in its language, built from sources by its own package manager. */

export interface Client {
  /** As a user names the client. */
  readonly title: string;
  /** Runtime identifier of its functions: `provided.*` has its bootstrap in the task, the others in the runtime's folder. */
  readonly runtime: string;
  readonly handler: string;
  /** Folders below test/clients that it is built from. */
  readonly sources: readonly string[];
}

export const clients = {
  "nodejs24.x": {
    title: "aws-lambda-ric 4 on Node.js 24",
    runtime: "nodejs24.x",
    handler: "index.handler",
    sources: ["common", "node", "nodejs24.x"],
  },
  "nodejs22.x": {
    title: "aws-lambda-ric 3 on Node.js 22",
    runtime: "nodejs22.x",
    handler: "index.handler",
    sources: ["common", "node", "nodejs22.x"],
  },
  "python3.11": {
    title: "awslambdaric on Python 3.11",
    runtime: "python3.11",
    handler: "main.handler",
    sources: ["common", "python", "python3.11"],
  },
  "python3.13": {
    title: "awslambdaric on Python 3.13",
    runtime: "python3.13",
    handler: "main.handler",
    sources: ["common", "python", "python3.13"],
  },
  java17: {
    title: "aws-lambda-java-runtime-interface-client on Java 17",
    runtime: "java17",
    handler: "test.Handler",
    sources: ["common", "java17"],
  },
  go: { title: "aws-lambda-go", runtime: "provided.al2023", handler: "any", sources: ["go"] },
  rust: { title: "lambda_runtime", runtime: "provided.al2023", handler: "any", sources: ["rust"] },
  shell: { title: "a shell with curl", runtime: "provided.al2023", handler: "any", sources: ["shell"] },
} as const satisfies Record<string, Client>;

export type ClientName = keyof typeof clients;

export const clientNames = Object.keys(clients) as readonly ClientName[];

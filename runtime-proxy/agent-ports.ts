/** How much callers may ask of the agent's two ports. */
import { isWholeCall } from "./invocation-api/server.ts";
import type { NodeServerOptions } from "./runtime-api/node.ts";
import { RUNTIME_PATH } from "./runtime-api/server.ts";

type PortBounds = Omit<NodeServerOptions, "handle" | "onFault" | "clock">;

/** For routers, and whoever else reaches the pod. */
export const invocationPort: PortBounds = {
  isQuick: isWholeCall,
  maxHeaderBytes: 64 * 1024,
  maxConnections: 256,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  answerTimeoutMs: 60_000,
};

/** For processes of the environment, which may take as long as they like. */
export const environmentPort: PortBounds = {
  isQuick: ({ url }) => url.startsWith(RUNTIME_PATH),
  // Clients of the Runtime API send error causes of almost 1 MiB in one header.
  maxHeaderBytes: 1024 * 1024 + 256 * 1024,
  maxConnections: 1024,
  headersTimeoutMs: 0,
  requestTimeoutMs: 0,
  answerTimeoutMs: 0,
};

/** Where the containers of an environment find what its pod mounts, unless a variable of theirs names another place. */
export const places = {
  /** Of the runtime's container: its supervisor, and where that meets the agent. */
  control: "/run/kubelambda/runtime",
  socket: "/run/kubelambda/runtime/agent.sock",
  /** In our own image. */
  supervisor: "/kubelambda/supervisor",
  /** Agent: token of audience `router`. */
  routerToken: "/var/run/secrets/kubelambda/router",
  /** `assemble`, or the agent that does its work: token of audience `packages`. */
  packagesToken: "/var/run/secrets/kubelambda/packages",
  task: "/var/task",
  layers: "/opt",
} as const;

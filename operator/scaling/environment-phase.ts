/** How far a pod is, as scaling sees it. */
export type EnvironmentPhase =
  /** Its containers do not all run yet. */
  | "starting"
  | "running"
  /** A container has ended, so the environment is over. */
  | "ended"
  /** It cannot start as it is. */
  | "failed"
  /** Its pod is being deleted. */
  | "terminating";

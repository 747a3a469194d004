import type { Stored } from "../../../lib/kubernetes/object.ts";
import type { Assignment } from "../../../crds/wire/assignment.ts";
import type { Pod } from "../../../operator/pod.ts";
import type { AgentAnswer, PoolAgents } from "../../../operator/scaling/pool-agents.ts";

/** How the operator speaks to real agents, and what a test does in between. */
export class WatchedAgents implements PoolAgents {
  readonly #agents: PoolAgents;
  /** uids of pods whose agents have said that they are nobody's. */
  readonly free = new Set<string>();
  /** Called before an agent is given a function. */
  beforeAssign: (podUid: string) => void = () => undefined;

  constructor(agents: PoolAgents) {
    this.#agents = agents;
  }

  async ask(pod: Stored<Pod>): Promise<AgentAnswer> {
    const answer = await this.#agents.ask(pod);
    if (answer === "free") this.free.add(pod.metadata.uid);
    return answer;
  }

  async assign(pod: Stored<Pod>, assignment: Assignment): Promise<AgentAnswer> {
    this.beforeAssign(pod.metadata.uid);
    return await this.#agents.assign(pod, assignment);
  }

  async close(): Promise<void> {
    await this.#agents.close();
  }
}

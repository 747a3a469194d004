/** The agent as local mode starts it, one process for each environment. */
import { agentMain } from "../runtime-proxy/agent.ts";

await agentMain(process.env);

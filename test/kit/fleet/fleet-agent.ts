/** The agent of a pod as a process of its own, as in its container. Argument: the file that says where all routers are, as a headless Service does. */
import { readFile } from "node:fs/promises";
import { parseAgentConfig } from "../../../runtime-proxy/agent-config.ts";
import { startAgent, systemAgentDeps } from "../../../runtime-proxy/agent.ts";

const routersFile = process.argv[2] ?? "";
const agent = await startAgent(parseAgentConfig(process.env), {
  ...systemAgentDeps,
  ...(process.env["FLEET_LOG"] === undefined && { writeLog: () => undefined }),
  resolveHost: async () => JSON.parse(await readFile(routersFile, "utf8")) as string[],
});
process.on("SIGTERM", () => void agent.stop());
// Without whoever made it an agent of a fleet has no reason to be.
process.on("disconnect", () => process.exit(0));
process.exit(await agent.ended);

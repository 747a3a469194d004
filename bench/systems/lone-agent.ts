import { generateKeyPairSync, randomUUID } from "node:crypto";
import { routes } from "../../crds/wire/routes.ts";
import { formatPublicKey, signClaim } from "../../lib/http/signed-claim.ts";
import { buildSupervisor } from "../../test/kit/build-supervisor.ts";
import type { BenchContext } from "../context.ts";
import { descendants } from "../process-usage.ts";
import { bundleAgent } from "./agent-bundle.ts";
import { AnnouncementEar } from "./announcement-ear.ts";
import { startEnvironment } from "./environment.ts";
import { prepareNodeRuntime } from "./node-runtime.ts";
import type { System } from "./system.ts";

const claimSeconds = 3600;

export interface LoneAgentOptions {
  /** Text of an extension's file. */
  readonly extension?: string;
  /** Default `index.handler`. */
  readonly handler?: string;
}

/** One ready environment that is called as a router calls it: agent, supervisor, Node.js runtime, perhaps an extension. */
export async function startLoneAgent(
  context: BenchContext,
  name: string,
  options: LoneAgentOptions = {},
): Promise<System> {
  const { processes, folder } = context;
  const [runtimeFolder, agentBundle, supervisor] = await Promise.all([
    prepareNodeRuntime(context),
    bundleAgent(folder),
    buildSupervisor(),
  ]);
  const { privateKey } = generateKeyPairSync("ed25519");
  const podUid = randomUUID();
  const ear = new AnnouncementEar();
  const environment = await startEnvironment(
    {
      ...{ processes, folder, agentBundle, supervisor, runtimeFolder },
      routerUrl: await ear.listen(),
      routerKey: formatPublicKey(privateKey),
      functionUid: randomUUID(),
      revisionID: "r1",
      ...options,
    },
    podUid,
  );
  const address = await ear.untilReady(podUid);
  const expiresAt = Math.floor(Date.now() / 1000) + claimSeconds;
  return {
    name,
    origins: [`http://${address}`],
    path: routes.invocation(randomUUID()),
    headers: { authorization: `Bearer ${signClaim({ podUid, expiresAt }, privateKey)}` },
    pidsByRole: () => ({
      agent: [environment.agent.pid],
      supervisor: [environment.supervisor.pid],
      runtime: descendants(environment.supervisor.pid),
    }),
    async end() {
      await environment.agent.end();
      await environment.supervisor.end();
      await ear.close();
    },
  };
}

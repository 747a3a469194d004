/** One real environment, agent, supervisor and runtime, behind a router or several; the AWS SDK in front. */
import assert from "node:assert/strict";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { formatPublicKey } from "../../lib/http/signed-claim.ts";
import type { RouterConfig } from "../../runtime-proxy/router-config.ts";
import { AgentEnvironment } from "./agent-environment.ts";
import { RouterWorld } from "./router-world.ts";

export interface RoutedOptions {
  readonly routers: number;
  /** The runtime of the function "probe". */
  readonly bootstrap: string;
  /** Default 30. */
  readonly timeoutSeconds?: number;
  /** Of the routers. */
  readonly config?: Partial<RouterConfig>;
}

export class RoutedEnvironment {
  readonly world: RouterWorld;
  readonly environment: AgentEnvironment;
  /** Tries once. */
  readonly sdk: LambdaClient;

  private constructor(world: RouterWorld, environment: AgentEnvironment) {
    this.world = world;
    this.environment = environment;
    this.sdk = new LambdaClient({
      endpoint: `http://127.0.0.1:${world.router.invokePort}`,
      region: "us-east-1",
      credentials: { accessKeyId: "dummy", secretAccessKey: "dummy" },
      maxAttempts: 1,
    });
  }

  static async start({
    routers,
    bootstrap,
    timeoutSeconds = 30,
    config = {},
  }: RoutedOptions): Promise<RoutedEnvironment> {
    const world = new RouterWorld();
    await world.startRouters(routers, config);
    const owner = await world.addFunction({ name: "probe", spec: { timeout: timeoutSeconds } });
    // Its scripted agent is never announced: a real one stands in its place.
    const { podUid } = await world.addPod(owner);
    const environment = await AgentEnvironment.start({
      document: { timeoutSeconds },
      files: { bootstrap },
      variables: { KUBELAMBDA_POD_UID: podUid, KUBELAMBDA_ROUTER_KEYS: formatPublicKey(world.keys.privateKey) },
    });
    const announcement = { podUid, address: environment.agent.address, state: "ready", sequence: 1 } as const;
    assert.equal(await world.announce({ podUid, announcement }), 204);
    return new RoutedEnvironment(world, environment);
  }

  async stop(): Promise<void> {
    this.sdk.destroy();
    await this.environment.stop();
    await this.world.close();
  }
}

/** An operator in a process of its own against a real API server. Argument: FleetOperatorOrder as JSON; prints its ports as its first line. */
import { startOperator } from "../../../operator/operator.ts";
import { RouterPods } from "../../../operator/router-pods.ts";
import { operatorTestConfig, operatorTestParts, testClient } from "../operator-world.ts";
import type { FleetProcessNews } from "./fleet-process.ts";
import { JumpingClock } from "./jumping-clock.ts";

export interface FleetOperatorOrder {
  readonly kubeconfig: string;
  readonly storeUrl: string;
  readonly variables: Readonly<Record<string, string>>;
}

export interface FleetOperatorPorts {
  readonly internalPort: number;
}

const clock = new JumpingClock();
process.on("message", ({ offsetMs }: FleetProcessNews) => clock.jumpTo(offsetMs));
// Without whoever made it an operator of a fleet has no reason to be.
process.on("disconnect", () => process.exit(0));
const { kubeconfig, storeUrl, variables } = JSON.parse(process.argv[2] ?? "") as FleetOperatorOrder;
const config = operatorTestConfig(variables);
const parts = operatorTestParts(await testClient(kubeconfig), storeUrl);
const routerPods = new RouterPods({ ...parts, clock, router: config.KUBELAMBDA_ROUTER_SERVICE_ACCOUNT });
await routerPods.start();
const operator = await startOperator(config, {
  ...{ ...parts, clock, routerPods },
  isReplicaGone: (replica) => routerPods.isGone(replica),
});
const { internalPort } = operator;
process.on("SIGTERM", () => void operator.stop(18_000).finally(() => process.exit(0)));
process.stdout.write(`${JSON.stringify({ internalPort } satisfies FleetOperatorPorts)}\n`);

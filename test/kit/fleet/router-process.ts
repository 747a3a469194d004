/** A router in a process of its own against a real API server. Argument: FleetRouterOrder as JSON; prints its ports as its first line. */
import { createPrivateKey } from "node:crypto";
import { aliasKind } from "../../../crds/v1alpha1/alias.ts";
import { functionKind } from "../../../crds/v1alpha1/function.ts";
import { versionKind } from "../../../crds/v1alpha1/version.ts";
import { kubeconfigAccess } from "../../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../../lib/kubernetes/api-server-client.ts";
import { createLogger, silentLogger } from "../../../lib/logger.ts";
import { endRouter, routerConfigSchema, startRouter } from "../../../runtime-proxy/router.ts";
import type { FleetProcessNews } from "./fleet-process.ts";
import { JumpingClock } from "./jumping-clock.ts";

export interface FleetRouterOrder {
  readonly kubeconfig: string;
  readonly podUid: string;
  readonly operatorUrl: string;
  /** PKCS8 PEM. */
  readonly signingKey: string;
  readonly variables: Readonly<Record<string, string>>;
}

export interface FleetRouterPorts {
  readonly invokePort: number;
  readonly internalPort: number;
  readonly healthPort: number;
}

const clock = new JumpingClock();
process.on("message", ({ offsetMs }: FleetProcessNews) => clock.jumpTo(offsetMs));
// Without whoever made it a router of a fleet has no reason to be.
process.on("disconnect", () => process.exit(0));
const order = JSON.parse(process.argv[2] ?? "") as FleetRouterOrder;
/** Not as long as load balancers may need: tests know at once. */
const drainMs = 300;
const name = `router ${order.podUid.slice(0, 4)}`;
const router = await startRouter(
  routerConfigSchema.parse({
    KUBELAMBDA_INVOKE_PORT: "0",
    KUBELAMBDA_HEALTH_PORT: "0",
    KUBELAMBDA_OPERATOR_URL: order.operatorUrl,
    KUBELAMBDA_POD_UID: order.podUid,
    KUBELAMBDA_NAMESPACE: "kubelambda",
    // Who may call has its own tests.
    KUBELAMBDA_AUTH_MODE: "none",
    ...order.variables,
  }),
  {
    client: new ApiServerClient({
      access: await kubeconfigAccess(order.kubeconfig),
      kinds: [functionKind, versionKind, aliasKind],
    }),
    signingKey: createPrivateKey(order.signingKey),
    // The token of a pod is its uid here: checking real ones has its own test.
    verifyAgentToken: (authorization) => {
      const podUid = /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
      if (podUid === undefined) return Promise.resolve({ ok: false, reason: "no bearer token" });
      return Promise.resolve({ ok: true, identity: { namespace: "team", serviceAccount: "default", podUid } });
    },
    readOperatorToken: () => Promise.resolve("kubelambda/router"),
    // Faults are what fleets are for, so that errors are no news.
    log:
      process.env["FLEET_LOG"] === undefined
        ? silentLogger
        : createLogger({ process: name, level: "debug", stream: process.stderr }),
    clock,
    draw: Math.random,
  },
);
const { invokePort, internalPort, healthPort } = router;
let ending: Promise<void> | undefined;
process.on("SIGTERM", () => {
  ending ??= endRouter(router, clock, drainMs).finally(() => process.exit(0));
});
process.stdout.write(`${JSON.stringify({ invokePort, internalPort, healthPort } satisfies FleetRouterPorts)}\n`);

import { createPublicKey, type KeyObject } from "node:crypto";
import { routes } from "../crds/wire/routes.ts";
import type { Roster } from "../crds/wire/roster.ts";
import { sleep, type Clock } from "../lib/clock.ts";
import type { HttpHandler } from "../lib/http/handler.ts";
import type { TokenVerifier } from "../lib/http/service-account-token.ts";
import type { Logger } from "../lib/logger.ts";
import type { AccessControl } from "./access/access-control.ts";
import { createCredentialsServer } from "./access/credentials-server.ts";
import type { Reviews } from "./access/reviews.ts";
import { topOfAll, type OwnTable } from "./top/top-peers.ts";
import { createTopPeerServer, createTopServer, type TopAccess } from "./top/top-server.ts";
import { topTable } from "./top/top-table.ts";
import type { FunctionCredentialMint } from "./access/function-credentials.ts";
import { ConcurrencyLedger } from "./domain/concurrency.ts";
import type { EnvironmentDirectory } from "./domain/environment.ts";
import { silenceLimitMs } from "./domain/ownership/gate.ts";
import { isNewsFromPeer } from "./domain/ownership/tenure.ts";
import type { FunctionDirectory } from "./domain/function-facts.ts";
import type { FunctionUrlDirectory } from "./domain/function-url.ts";
import { TraceSampler } from "./domain/trace-header.ts";
import { AgentConnections } from "./environments/agent-connections.ts";
import { createAnnouncementServer, createGreetingServer } from "./environments/announcement-server.ts";
import { createClaims } from "./environments/claims.ts";
import { EnvironmentAsker } from "./environments/environment-asker.ts";
import { EnvironmentPool } from "./environments/environment-pool.ts";
import { createFrontDoor } from "./front-door.ts";
import { createAuthorizeUrl } from "./function-urls/authorize-url.ts";
import { createFunctionUrls } from "./function-urls/server.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { createFindFunction } from "./invoke-api/find-function.ts";
import { createFindSettled } from "./invoke-api/find-settled.ts";
import { createInvokeWithResponseStream } from "./invoke-api/invoke-with-response-stream.ts";
import { createInvoke } from "./invoke-api/invoke.ts";
import { createInvocationRunner } from "./invoke-api/run-invocation.ts";
import { createInvokeApi } from "./invoke-api/server.ts";
import { createBeginTrace } from "./invoke-api/trace-header.ts";
import { ConcurrencyMetrics } from "./concurrency-metrics.ts";
import { FunctionMetrics } from "./function-metrics.ts";
import { createRouterProof } from "./invocation-api/router-proof.ts";
import { provisionedMetrics } from "./provisioned-metrics.ts";
import { LoadReporter } from "./load-reporter.ts";
import { RouterMemory } from "./router-memory.ts";
import { AccountOwnership } from "./ownership/account-ownership.ts";
import { Calls } from "./ownership/calls.ts";
import { OwnerDesk } from "./ownership/owner-desk.ts";
import { UnusedAccounts } from "./ownership/unused-accounts.ts";
import { PeerServer } from "./ownership/peer-server.ts";
import { addressesIn } from "./packages/address-rules.ts";
import type { RouterConfig } from "./router-config.ts";
import type { Observation } from "./router-observation.ts";
import { createRouterMetrics, type RouterMetrics } from "./router-metrics.ts";

export interface RouterPartsOptions {
  readonly functions: FunctionDirectory & FunctionUrlDirectory;
  readonly environments: EnvironmentDirectory;
  readonly access: AccessControl;
  readonly reviews: Reviews;
  /** Of tokens for `kubelambda top`; absent: there are none. */
  readonly verifyTopToken?: TokenVerifier;
  readonly mint: FunctionCredentialMint;
  /** Ed25519, private. */
  readonly signingKey: KeyObject;
  readonly verifyAgentToken: TokenVerifier;
  readonly readOperatorToken: () => Promise<string>;
  readonly observation: Observation;
  readonly log: Logger;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
}

/** A router without its sockets. */
export interface RouterParts {
  /** Function URLs and the Invoke API. */
  readonly frontDoor: HttpHandler;
  /** For requests that are no function URL's and can be read in one way only. */
  readonly invokeApi: HttpHandler;
  /** For agents: announcements, and credentials for their functions. */
  readonly internalApi: HttpHandler;
  /** For `kubelambda top`. */
  readonly topApi: HttpHandler;
  readonly asker: EnvironmentAsker;
  readonly reporter: LoadReporter;
  readonly metrics: RouterMetrics;
  readonly functionMetrics: FunctionMetrics;
  readonly concurrencyMetrics: ConcurrencyMetrics;
  readonly provisionedMetrics: () => string;
  readonly ownership: AccountOwnership;
  readonly peers: PeerServer;
  readonly memory: RouterMemory;
  readonly unused: UnusedAccounts;
  /** A roster that is in force, or was. */
  setRoster(roster: Roster): void;
  /** Settles when no call runs, also none whose client is gone; at the latest after the deadline. */
  whenQuiet(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}

/** An announcement waits so long for the watch: agents give up an attempt after 2 s. */
const holdMs = 1500;
const quietCheckMs = 20;
/** After this, those of an account that has been taken over are asked again and again anyway. */
const askAccountMs = 10_000;
/** Within which new environments of a function are counted. Source: Lambda developer guide, scaling-behavior. */
const scalingSeconds = 10;

/** Constructs everything and connects it to what Kubernetes says. */
export function createRouterParts(config: RouterConfig, options: RouterPartsOptions): RouterParts {
  const { functions, clock, log } = options;
  const ledger = new ConcurrencyLedger(
    config.KUBELAMBDA_ACCOUNT_CONCURRENCY,
    config.KUBELAMBDA_REQUESTS_PER_CONCURRENCY === 0 ? Infinity : config.KUBELAMBDA_REQUESTS_PER_CONCURRENCY,
  );
  const bodyMemory = new MemoryBudget({
    limitBytes: config.KUBELAMBDA_BODY_MEMORY_BYTES,
    maxWaiting: config.KUBELAMBDA_WAITING_BODIES,
    waitMs: config.KUBELAMBDA_BODY_WAIT_MS,
    clock,
  });
  const answerMemory = new MemoryBudget({
    limitBytes: config.KUBELAMBDA_ANSWER_MEMORY_BYTES,
    // As many as calls run.
    maxWaiting: Infinity,
    waitMs: config.KUBELAMBDA_ANSWER_WAIT_MS,
    clock,
  });
  const metrics = createRouterMetrics({
    running: () => calls.open,
    bodyBytes: () => bodyMemory.usedBytes,
    waitingBodies: () => bodyMemory.waiting,
    answerBytes: () => answerMemory.usedBytes,
    waitingAnswers: () => answerMemory.waiting,
  });
  options.observation.countInto(metrics);
  const functionMetrics = new FunctionMetrics({ clock });
  const authorize = createClaims(options.signingKey, () => clock.nowMs());
  const agents = new AgentConnections({
    authorize,
    clock,
    dialMs: config.KUBELAMBDA_DIAL_MS,
    answerMemory,
  });
  const pool = new EnvironmentPool({
    clock,
    functions,
    maxWaiting: config.KUBELAMBDA_WAITING_CALLS,
    freshForMs: silenceLimitMs * 0.8,
    scalingRate: {
      burst: config.KUBELAMBDA_SCALING_BURST,
      perSecond: config.KUBELAMBDA_SCALING_BURST / scalingSeconds,
    },
    onMayRun: ({ functionUid, namespace, provisionedFor }, mayRun) => {
      if (mayRun) ledger.occupy(functionUid, namespace, provisionedFor);
      else ledger.leave(functionUid, provisionedFor === undefined ? "onDemand" : "provisioned", provisionedFor);
    },
  });
  const { draw, environments } = options;
  const replica = config.KUBELAMBDA_POD_UID;
  const desk = new OwnerDesk({ ledger, pool, functions, clock });
  const onTaken = (namespace: string): void => void asker.askAll(askAccountMs, namespace);
  const ownership = new AccountOwnership({ replica, pool, desk, environments, clock, log, draw, onTaken });
  const setRoster = (roster: Roster): void => {
    if (roster.epoch <= (ownership.roster?.epoch ?? 0)) return;
    ownership.setRoster(roster);
    calls.follow(roster);
    peers.tell(roster);
  };
  const hearRoster = (roster: Roster): void => {
    if (isNewsFromPeer(roster, ownership.roster)) setRoster(roster);
  };
  const maxWaiting = config.KUBELAMBDA_WAITING_CALLS;
  const calls = new Calls({
    ...{ replica, authorize, ownership, desk, functions, clock, log, draw, maxWaiting, onRoster: hearRoster },
  });
  const unused = new UnusedAccounts({ ownership, ledger, pool, desk, clock });
  const isRouter = createRouterProof([createPublicKey(options.signingKey)], replica, () => clock.nowMs());
  const peers = new PeerServer({
    isAllowed: isRouter,
    ...{ ownership, desk, clock, log, maxWaiting, onRoster: hearRoster },
  });
  const ownerAddress = (namespace: string): string | undefined => ownership.ownerOf(namespace)?.address;
  const asker = new EnvironmentAsker({ pool, agents, ownerAddress, clock, draw });
  const reporter = new LoadReporter({
    pool,
    functions,
    ledger,
    clock,
    log,
    metrics,
    replica: config.KUBELAMBDA_POD_UID,
    operatorUrl: config.KUBELAMBDA_OPERATOR_URL.replace(/\/$/, ""),
    readToken: options.readOperatorToken,
  });
  const sampler = new TraceSampler();
  const { observe, writesSpans } = options.observation;
  const samplingRatio = writesSpans ? config.KUBELAMBDA_TRACE_SAMPLING_RATIO : 0;
  const beginTrace = createBeginTrace({ sampler, nowMs: () => clock.nowMs(), draw, writesSpans, samplingRatio });
  let changes = 0;
  const memory = new RouterMemory({
    clock,
    running: () => calls.open,
    workDone: () => calls.opened + pool.touches + changes,
    residentBytes: () => process.memoryUsage.rss(),
  });
  functions.onChange((uid, facts) => {
    changes += 1;
    if (facts === undefined) {
      ledger.removeFunction(uid);
      sampler.forget(uid);
      desk.functionGone(uid);
    } else {
      const { reservedConcurrency: reserved, provisioned = {} } = facts;
      ledger.setFunction(uid, facts.namespace, { reserved, provisioned });
      ownership.know(facts.namespace);
      desk.functionChanged(facts.namespace, uid);
    }
    pool.functionChanged(uid);
  });
  options.environments.onChange((podUid, pod) => {
    if (pod === undefined) {
      pool.removePod(podUid);
      agents.forget(podUid);
    } else pool.putPod(pod);
  });
  const waitMs = config.KUBELAMBDA_ENVIRONMENT_WAIT_MS;
  const runner = createInvocationRunner({
    agents,
    functions,
    clock,
    log,
    metrics,
    waitMs,
  });
  const finder = createFindFunction({
    functions,
    draw: options.draw,
    region: config.KUBELAMBDA_REGION,
    defaultNamespace: config.KUBELAMBDA_DEFAULT_NAMESPACE,
    domain: config.KUBELAMBDA_DOMAIN,
  });
  const verifyToken = options.verifyAgentToken;
  const announcements = createAnnouncementServer({
    ...{ pool, verifyToken, clock, log, metrics, holdMs },
    ownerOf: (namespace) => ownership.ownerOf(namespace),
  });
  const credentials = createCredentialsServer(options.mint, verifyToken);
  const ownTop: OwnTable = (namespace) =>
    topTable({ functions, pool, recent: functionMetrics.recent, clock }, namespace);
  const topPeers = createTopPeerServer(isRouter, ownTop);
  const replicas = (): Roster["replicas"] => ownership.roster?.replicas ?? [];
  const topApi = createTopServer({
    table: (namespace) => topOfAll({ replica, replicas, authorize, ownTable: ownTop }, namespace),
    access: config.KUBELAMBDA_AUTH_MODE === "none" ? undefined : topAccess(config, options),
  });
  const handlerByPath: Readonly<Record<string, HttpHandler>> = {
    [routes.credentials]: credentials,
    [routes.greeting]: createGreetingServer(verifyToken),
    [routes.top]: topPeers,
  };
  const bodyTimeoutMs = config.KUBELAMBDA_BODY_TIMEOUT_MS;
  const invokeParts = {
    access: options.access,
    finder,
    runner,
    calls,
    bodyMemory,
    findSettled: createFindSettled({ functions, clock }),
    beginTrace,
    clock,
    log,
    metrics,
    functionMetrics,
    observe,
    bodyTimeoutMs,
    waitMs,
  };
  const invokeApi = createInvokeApi({
    invoke: createInvoke(invokeParts),
    invokeWithResponseStream: createInvokeWithResponseStream(invokeParts),
    clock,
  });
  return {
    invokeApi,
    frontDoor: createFrontDoor({
      invokeApi,
      functionUrl: createFunctionUrls({
        ...{ ...invokeParts, functions, urls: functions, draw: options.draw },
        authorize: createAuthorizeUrl(options.access),
        isTrustedProxy: addressesIn(config.KUBELAMBDA_TRUSTED_PROXIES),
      }),
      urlHostSuffix: config.KUBELAMBDA_FUNCTION_URL_HOST,
      clock,
    }),
    ...{ ownership, peers, setRoster, memory, unused },
    internalApi: async (request) => await (handlerByPath[request.path] ?? announcements)(request),
    topApi,
    asker,
    reporter,
    metrics,
    functionMetrics,
    concurrencyMetrics: new ConcurrencyMetrics({ ledger, functions, owns: (namespace) => pool.owns(namespace), clock }),
    provisionedMetrics: () => provisionedMetrics({ functions, ledger, pool }),
    async whenQuiet(deadlineMs) {
      const untilMs = clock.monotonicMs() + deadlineMs;
      while (calls.open > 0 && clock.monotonicMs() < untilMs) await sleep(clock, quietCheckMs);
    },
    close() {
      ownership.stop();
      asker.stop();
      calls.close();
      peers.close();
      agents.close();
      return Promise.resolve();
    },
  };
}

function topAccess(
  config: RouterConfig,
  { reviews, verifyTopToken: verifyToken }: Pick<RouterPartsOptions, "reviews" | "verifyTopToken">,
): TopAccess {
  return { reviews, verifyToken, installNamespace: config.KUBELAMBDA_NAMESPACE };
}

import type { Socket } from "node:net";
import {
  ASSIGN_PURPOSE,
  FILL_FAILED_EXIT_CODE,
  type Assignment,
  type AssignmentRefusal,
} from "../crds/wire/assignment.ts";
import type { AgentRefusal, EnvironmentDocument } from "../crds/wire/environment.ts";
import { sleep, type Clock } from "../lib/clock.ts";
import { IdleMemory } from "../lib/idle-memory.ts";
import type { AgentConfig } from "./agent-config.ts";
import type { Grant, Position } from "../crds/wire/position.ts";
import { createAgentLog, type AgentLog } from "./agent-log.ts";
import { environmentPort, invocationPort } from "./agent-ports.ts";
import { Announcer } from "./announce.ts";
import { AssignedFunction } from "./assigned-function.ts";
import { ContainerSockets, type ContainerConnections } from "./container-sockets.ts";
import { credentialsApi, CREDENTIALS_PATH } from "./credentials-api.ts";
import { createEnvironment } from "./create-environment.ts";
import type { SdkAccess } from "./domain/sdk-variables.ts";
import { environmentApi } from "./environment-api.ts";
import type { ExecutionEnvironment } from "./execution-environment.ts";
import { findExtensions } from "./find-extensions.ts";
import { createRouterProof } from "./invocation-api/router-proof.ts";
import type { Invocation, InvocationOutcome } from "./invocation-api/invocation.ts";
import type { AssignmentParts } from "./invocation-api/assignment.ts";
import { invocationApi } from "./invocation-api/server.ts";
import { OwnershipGate, type EnvironmentNow } from "./ownership-gate.ts";
import type { AgentHandler } from "./runtime-api/exchange.ts";
import { NodeServer } from "./runtime-api/node.ts";
import { SupervisorClient } from "./supervisor-client.ts";
import { Supervisors } from "./supervisors.ts";
import { writeTerminationLog } from "./termination-log.ts";
import { tokenReader } from "./token-file.ts";
import { EnvironmentLog } from "./telemetry-api/environment-log.ts";

export interface AgentDeps {
  readonly clock: Clock;
  /** Takes one line of the agent's own log. */
  readonly writeLog: (line: string) => void;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** That many random bytes as hex. */
  readonly randomHex: (bytes: number) => string;
  /** A UUID. */
  readonly newId: () => string;
  /** All addresses of a host. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
  /** Gives free memory back to the system, where Node.js was started so that it can; takes some 15 ms. */
  readonly giveMemoryBack: () => void;
}

/** For routers to acknowledge a farewell and to take the last answer. */
const farewellLimitMs = 2_000;
/** What was granted before the acknowledgement is here by then. */
const lingerMs = 100;
/** After an init: what it left behind is of no use to calls. */
const quietAfterInitMs = 1000;
/** After a call: with the memory goes code that was compiled for it, and the next call is some milliseconds slower. */
const quietAfterCallMs = 60_000;

/** One agent: both its ports, its supervisors, its environment, and what routers are told of it. */
export class AgentProcess {
  readonly #config: AgentConfig;
  readonly #deps: AgentDeps;
  readonly #log: AgentLog;
  readonly #announcer: Announcer;
  readonly #gate: OwnershipGate;
  readonly #invocationServer: NodeServer;
  readonly #runtimeServer: NodeServer;
  readonly #ended = Promise.withResolvers<number>();
  readonly #sockets: ContainerSockets;
  readonly #idleMemory: IdleMemory;
  #supervisors: Supervisors | undefined;
  /** What a process of the environment shows to be given credentials: a request that somebody else forges does not know it. */
  readonly #credentialsToken: string;
  readonly #function: AssignedFunction;
  /** Of a pod that waited: when its start began, ms since 1970. */
  #assignedAtMs: number | undefined;
  #environment: ExecutionEnvironment | undefined;
  #environmentLog: EnvironmentLog | undefined;
  #address = "";
  #runtimeApi = "";
  #isStopping = false;
  #isLost = false;

  constructor(config: AgentConfig, deps: AgentDeps) {
    const { clock } = deps;
    this.#credentialsToken = deps.randomHex(32);
    this.#config = config;
    this.#deps = deps;
    this.#log = createAgentLog(
      deps.writeLog,
      () => clock.nowMs(),
      () => this.#environmentLog?.requestId,
    );
    this.#function = new AssignedFunction(config);
    this.#function.filled.catch((error: unknown) => this.#notFilled(error));
    this.#sockets = new ContainerSockets(config.runtimeSocket, config.extensionSockets, clock);
    this.#idleMemory = new IdleMemory({
      clock,
      isIdle: () => this.#environment?.state === "ready",
      giveBack: deps.giveMemoryBack,
      quietMs: quietAfterInitMs,
    });
    this.#announcer = new Announcer({
      routerUrls: config.routerUrls,
      readToken: tokenReader(config.tokenFile),
      resolveHost: deps.resolveHost,
      clock,
      draw: deps.draw,
      agentLog: this.#log,
      renew: () => (this.#isStopping ? undefined : this.#gate.renewal()),
    });
    this.#gate = new OwnershipGate({
      podUid: config.podUid,
      epoch: config.epoch,
      announcer: this.#announcer,
      clock,
      environment: () => this.#now(),
    });
    const onFault = (error: unknown): void => this.#log("error", `Cannot serve a request: ${String(error)}`);
    this.#invocationServer = new NodeServer({
      ...invocationPort,
      handle: invocationApi({
        isAllowed: createRouterProof(config.routerKeys, config.podUid, () => clock.nowMs()),
        refusal: (grant) => this.#refusal() ?? this.#gate.refusal(grant),
        invoke: (invocation, grant) => this.#invoke(invocation, grant),
        claim: (position, owner) => this.#claim(position, owner),
        announcement: () => this.#gate.announcement(),
        function: () => this.#document,
        ...(config.document === undefined && { assignment: this.#assignmentParts() }),
      }),
      onFault,
      clock,
    });
    this.#runtimeServer = new NodeServer({
      ...environmentPort,
      handle: this.#whenAssigned(() => this.#environmentApi()),
      onFault,
      clock,
    });
  }

  get address(): string {
    return this.#address;
  }

  get runtimeApi(): string {
    return this.#runtimeApi;
  }

  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Opens everything that others connect to, the supervisor's socket last: who finds it finds the rest. */
  async listen(): Promise<void> {
    const { podIp, agentPort, runtimeApi: api } = this.#config;
    const [runtime, invocations] = await Promise.all([
      this.#runtimeServer.listen(api.host, api.port),
      this.#invocationServer.listen(podIp, agentPort),
    ]);
    this.#runtimeApi = `${api.host}:${runtime.port}`;
    this.#address = `${podIp}:${invocations.port}`;
    const { connections } = await this.#sockets.listen();
    void this.#announcer.prepare();
    void connections.then(
      (connected) => this.#runEnvironment(connected),
      (error: unknown) => this.#giveUp(String(error)),
    );
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#function.stop();
    // No router knows of what is nobody's.
    if (this.#function.document !== undefined) this.#announce();
    await this.#environment?.drain();
    const status = this.#isLost ? 1 : 0;
    this.#supervisors?.end();
    await this.#end(status);
  }

  async #runEnvironment({ runtime, extensions }: ContainerConnections): Promise<void> {
    const own = this.#superviseContainer(runtime, "the runtime's");
    const others = [...extensions].map(
      ([file, socket]) => [file, this.#superviseContainer(socket, `the extension ${JSON.stringify(file)}'s`)] as const,
    );
    const supervisors = new Supervisors(own, new Map(others));
    this.#supervisors = supervisors;
    try {
      await Promise.all([own, ...others.map(([, supervisor]) => supervisor)].map((supervisor) => supervisor.hello()));
      const document = await this.#function.filled;
      const { files, areDisabled } = await findExtensions(supervisors, this.#config.layersRoot);
      if (this.#isStopping) return;
      this.#environment = this.#createEnvironment(document, supervisors, own);
      this.#environment.begin(files, areDisabled);
    } catch (error) {
      this.#giveUp(String(error)); // mostly told by onLost already
    }
  }

  #superviseContainer(connection: Socket, whose: string): SupervisorClient {
    return new SupervisorClient(
      connection,
      {
        onOutput: (bytes, process, stream) => this.#environment?.onOutput(bytes, process, stream),
        onExit: (exit) => this.#environment?.onExit(exit),
        onLost: (reason) => this.#giveUp(`Cannot go on: ${whose} container is gone: ${reason}`),
      },
      this.#deps.clock,
    );
  }

  #createEnvironment(
    document: EnvironmentDocument,
    supervisors: Supervisors,
    own: SupervisorClient,
  ): ExecutionEnvironment {
    const { clock, draw, newId, randomHex } = this.#deps;
    const createdAtMs = this.#assignedAtMs ?? this.#config.createdAtMs;
    this.#environmentLog = new EnvironmentLog({
      document,
      write: (text, when) => own.write(text, when),
      clock,
      draw,
      agentLog: this.#log,
    });
    return createEnvironment(
      document,
      { ...this.#config, ...(createdAtMs !== undefined && { createdAtMs }) },
      {
        supervisors,
        runtimeApi: this.#runtimeApi,
        sdk: this.#sdk(),
        clock,
        randomHex,
        log: this.#environmentLog,
        connections: this.#runtimeServer,
        newId,
        onChange: () => this.#announce(),
      },
    );
  }

  /** Nothing of the environment runs before it is a function's. */
  get #document(): EnvironmentDocument {
    const { document } = this.#function;
    if (document === undefined) throw new Error("Cannot serve: the environment is no function's yet");
    return document;
  }

  #assignmentParts(): AssignmentParts {
    const { routerKeys, podUid } = this.#config;
    return {
      isAllowed: createRouterProof(routerKeys, podUid, () => this.#deps.clock.nowMs(), ASSIGN_PURPOSE),
      assigned: () => this.#function.assigned,
      assign: (assignment) => this.#assign(assignment),
    };
  }

  /** As if it had been made for the function under that roster. */
  #assign(assignment: Assignment): AssignmentRefusal | undefined {
    const verdict = this.#function.assign(assignment, this.#gate.epoch);
    if (verdict.type === "refuse") return verdict.refusal;
    this.#assignedAtMs ??= this.#deps.clock.nowMs();
    this.#gate.putUnder(assignment.epoch);
    return undefined;
  }

  #whenAssigned(create: () => AgentHandler): AgentHandler {
    let handler: AgentHandler | undefined;
    return (request) => (handler ??= create())(request);
  }

  #environmentApi(): AgentHandler {
    const { routerUrls, tokenFile } = this.#config;
    const readToken = tokenReader(tokenFile);
    const { clock } = this.#deps;
    const parts = { routerUrls, readToken, clock, password: this.#credentialsToken, agentLog: this.#log };
    return environmentApi({
      credentials: this.#config.lambdaUrl === undefined ? undefined : credentialsApi(parts),
      document: this.#document,
      lifecycle: () => this.#environment,
      newId: this.#deps.newId,
      subscribe: (extension, subscription) =>
        this.#environmentLog?.subscribe(extension, subscription) ?? { ok: false, code: "Closed" },
      reservedPorts: () => [this.#runtimeApi, this.#address].map((address) => Number(address.split(":").at(-1))),
    });
  }

  #sdk(): SdkAccess | undefined {
    const { lambdaUrl } = this.#config;
    if (lambdaUrl === undefined) return undefined;
    const credentialsUrl = `http://${this.#runtimeApi}${CREDENTIALS_PATH}`;
    return { lambdaUrl, credentialsUrl, credentialsToken: this.#credentialsToken };
  }

  #refusal(): AgentRefusal | undefined {
    if (this.#isStopping) return { code: "Draining", message: "Cannot invoke: the environment is draining" };
    if (this.#isMisled()) return { code: "Draining", message: "Cannot invoke: the environment is no function's" };
    if (this.#environment !== undefined) return this.#environment.refusal;
    return { code: "Busy", message: "Cannot invoke: the environment waits for its runtime's container" };
  }

  /** Checked when all of the event is here: whoever was slow may have been overtaken meanwhile. */
  async #invoke(invocation: Invocation, grant: Grant | undefined): Promise<InvocationOutcome> {
    const refusal = this.#refusal() ?? this.#gate.refusal(grant);
    if (refusal !== undefined || this.#environment === undefined) {
      return { ok: false, refusal: refusal ?? { code: "Busy", message: "Cannot invoke: there is no environment" } };
    }
    this.#gate.callBegins(grant);
    const outcome = await this.#environment.invoke(invocation, () => {
      if (this.#gate.callEnds()) this.#announce();
    });
    this.#idleMemory.used(quietAfterCallMs);
    return outcome;
  }

  /** A router takes it for a function's that it was never given: whoever labelled its pod was not the operator, and it ends. */
  #isMisled(): boolean {
    if (this.#function.document !== undefined) return false;
    this.#giveUp(
      "Cannot go on: a router takes the pod for a function's environment, and no function was assigned to it",
    );
    return true;
  }

  #claim(position: Position, owner: string): void {
    if (!this.#isMisled()) this.#gate.claim(position, owner);
  }

  #now(): EnvironmentNow {
    const init = this.#environment?.init;
    return {
      address: this.#address,
      state: this.#isStopping ? "draining" : (this.#environment?.state ?? "starting"),
      isRunning: this.#environment?.isRunning ?? false,
      ...(init !== undefined && { init }),
    };
  }

  #announce(): void {
    this.#idleMemory.used();
    this.#gate.announce();
  }

  /** The pod's status says why, and from there the operator and whoever waits know it. */
  #notFilled(error: unknown): void {
    if (this.#isStopping) return;
    const why = (error instanceof Error ? error.message : String(error)).slice(0, 2000);
    writeTerminationLog(this.#config.terminationLog, why);
    this.#giveUp(why, FILL_FAILED_EXIT_CODE);
  }

  /** The environment cannot serve again: who waits is answered, routers are told, the pod is to be replaced. */
  #giveUp(reason: string, status = 1): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#environment?.onLost();
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#log("error", reason);
    this.#function.stop();
    // No router knows of what is nobody's, and what was not filled has told none.
    if (this.#function.document !== undefined && status !== FILL_FAILED_EXIT_CODE) this.#announce();
    void this.#end(status);
  }

  /** A call that is sent until then is refused and goes elsewhere; on a connection that is being closed nobody could tell whether it ran. */
  async #farewell(): Promise<void> {
    await this.#announcer.whenAcknowledged(farewellLimitMs);
    await sleep(this.#deps.clock, lingerMs);
    await this.#invocationServer.close(farewellLimitMs);
  }

  async #end(status: number): Promise<void> {
    this.#idleMemory.stop();
    this.#sockets.close();
    await Promise.all([this.#farewell(), this.#runtimeServer.close(0)]);
    this.#announcer.stop();
    this.#ended.resolve(status);
  }
}

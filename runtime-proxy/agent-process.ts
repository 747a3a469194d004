import type { Socket } from "node:net";
import type { AgentRefusal, EnvironmentAnnouncement } from "../crds/wire/environment.ts";
import { readFile } from "node:fs/promises";
import type { Clock } from "../lib/clock.ts";
import type { AgentConfig } from "./agent-config.ts";
import { createAgentLog, type AgentLog } from "./agent-log.ts";
import { Announcer } from "./announce.ts";
import { describeRuntimeProcess, logStreamName } from "./domain/environment-variables.ts";
import { ExecutionEnvironment } from "./execution-environment.ts";
import { createRouterProof } from "./invocation-api/router-proof.ts";
import type { Invocation, InvocationOutcome } from "./invocation-api/invocation.ts";
import { invocationApi } from "./invocation-api/server.ts";
import { InvocationLog } from "./invocation-log.ts";
import { NodeServer } from "./runtime-api/node.ts";
import { runtimeApi } from "./runtime-api/server.ts";
import { SupervisorClient } from "./supervisor-client.ts";
import { listenForSupervisor, type SupervisorSocket } from "./supervisor-socket.ts";

export interface AgentDeps {
  readonly clock: Clock;
  /** Takes one line of the agent's own log. */
  readonly writeLog: (line: string) => void;
  /** A number in [0, 1). */
  readonly draw: () => number;
  /** That many random bytes as hex. */
  readonly randomHex: (bytes: number) => string;
  /** All addresses of a host. */
  readonly resolveHost: (host: string) => Promise<readonly string[]>;
}

const supervisorLimitMs = 60_000;
/** For routers to acknowledge a farewell and to take the last answer. */
const farewellLimitMs = 2_000;
const routerHeaderBytes = 64 * 1024;
const routerConnections = 256;
/** Clients of the Runtime API send error causes of almost 1 MiB in one header. */
const runtimeHeaderBytes = 1024 * 1024 + 256 * 1024;
const runtimeConnections = 1024;

/** One agent: both its ports, its supervisor, its environment, and what routers are told of it. */
export class AgentProcess {
  readonly #config: AgentConfig;
  readonly #deps: AgentDeps;
  readonly #log: AgentLog;
  readonly #announcer: Announcer;
  readonly #invocationServer: NodeServer;
  readonly #runtimeServer: NodeServer;
  readonly #ended = Promise.withResolvers<number>();
  #socket: SupervisorSocket | undefined;
  #supervisor: SupervisorClient | undefined;
  #environment: ExecutionEnvironment | undefined;
  #invocationLog: InvocationLog | undefined;
  #address = "";
  #runtimeApi = "";
  #sequence = 0;
  #isStopping = false;

  constructor(config: AgentConfig, deps: AgentDeps) {
    const { clock } = deps;
    this.#config = config;
    this.#deps = deps;
    this.#log = createAgentLog(
      deps.writeLog,
      () => clock.nowMs(),
      () => this.#invocationLog?.requestId,
    );
    this.#announcer = new Announcer({
      routerUrls: config.routerUrls,
      readToken: () => readFile(config.tokenFile, "utf8"),
      resolveHost: deps.resolveHost,
      clock,
      draw: deps.draw,
      agentLog: this.#log,
    });
    const onFault = (error: unknown): void => this.#log("error", `Cannot serve a request: ${String(error)}`);
    this.#invocationServer = new NodeServer({
      handle: invocationApi({
        isAllowed: createRouterProof(config.routerKeys, config.podUid, () => clock.nowMs()),
        refusal: () => this.#refusal(),
        invoke: (invocation) => this.#invoke(invocation),
        announcement: () => this.#announcement(),
        functionArn: config.document.functionArn,
        version: config.document.version,
      }),
      maxHeaderBytes: routerHeaderBytes,
      maxConnections: routerConnections,
      headersTimeoutMs: 10_000,
      requestTimeoutMs: 60_000,
      answerTimeoutMs: 60_000,
      onFault,
      clock,
    });
    this.#runtimeServer = new NodeServer({
      handle: runtimeApi(() => this.#environment?.session),
      maxHeaderBytes: runtimeHeaderBytes,
      maxConnections: runtimeConnections,
      headersTimeoutMs: 0,
      requestTimeoutMs: 0,
      answerTimeoutMs: 0,
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
    const { podIp, agentPort, runtimeApi: api, runtimeSocket } = this.#config;
    const [runtime, invocations] = await Promise.all([
      this.#runtimeServer.listen(api.host, api.port),
      this.#invocationServer.listen(podIp, agentPort),
    ]);
    this.#runtimeApi = `${api.host}:${runtime.port}`;
    this.#address = `${podIp}:${invocations.port}`;
    this.#socket = await listenForSupervisor(runtimeSocket, supervisorLimitMs, this.#deps.clock);
    void this.#socket.connection.then(
      (connection) => this.#runEnvironment(connection),
      (error: unknown) => this.#giveUp(String(error)),
    );
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#announce();
    await this.#environment?.drain();
    this.#supervisor?.end();
    await this.#end(0);
  }

  async #runEnvironment(connection: Socket): Promise<void> {
    const { clock } = this.#deps;
    const supervisor = new SupervisorClient(
      connection,
      {
        onOutput: (bytes) => this.#invocationLog?.append(bytes),
        onExit: (exit) => this.#environment?.onExit(exit),
        onLost: (reason) => this.#giveUp(`Cannot go on: the runtime's container is gone: ${reason}`),
      },
      clock,
    );
    this.#supervisor = supervisor;
    try {
      await supervisor.hello();
    } catch {
      return; // told by onLost
    }
    if (this.#isStopping) return;
    this.#invocationLog = new InvocationLog(this.#config.document, supervisor, clock);
    this.#environment = new ExecutionEnvironment({
      document: this.#config.document,
      runtimeProcess: this.#runtimeProcess(),
      supervisor,
      log: this.#invocationLog,
      connections: this.#runtimeServer,
      clock,
      onChange: () => this.#announce(),
    });
    await this.#environment.initialize();
  }

  #runtimeProcess(): ReturnType<typeof describeRuntimeProcess> {
    const { document, taskRoot, layersRoot, runtimeRoot, variables } = this.#config;
    return describeRuntimeProcess(document, {
      taskRoot,
      layersRoot,
      runtimeRoot,
      runtimeApi: this.#runtimeApi,
      logStream: logStreamName(document.version, this.#deps.clock.nowMs(), this.#deps.randomHex(16)),
      agentVariables: variables,
    });
  }

  #refusal(): AgentRefusal | undefined {
    if (this.#isStopping) return { code: "Draining", message: "Cannot invoke: the environment is draining" };
    if (this.#environment !== undefined) return this.#environment.refusal;
    return { code: "Busy", message: "Cannot invoke: the environment waits for its runtime's container" };
  }

  async #invoke(invocation: Invocation): Promise<InvocationOutcome> {
    const refusal = this.#refusal();
    if (refusal !== undefined || this.#environment === undefined) {
      return { ok: false, refusal: refusal ?? { code: "Busy", message: "Cannot invoke: there is no environment" } };
    }
    return await this.#environment.invoke(invocation);
  }

  #announcement(): EnvironmentAnnouncement {
    const init = this.#environment?.init;
    return {
      podUid: this.#config.podUid,
      address: this.#address,
      state: this.#isStopping ? "draining" : (this.#environment?.state ?? "starting"),
      sequence: this.#sequence,
      ...(init !== undefined && { init }),
    };
  }

  #announce(): void {
    this.#sequence += 1;
    this.#announcer.announce(this.#announcement());
  }

  /** The environment cannot serve again: who waits is answered, routers are told, the pod is to be replaced. */
  #giveUp(reason: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#log("error", reason);
    this.#announce();
    this.#environment?.onLost();
    void this.#environment?.drain();
    void this.#end(1);
  }

  async #end(status: number): Promise<void> {
    this.#socket?.close();
    await Promise.all([
      this.#announcer.whenAcknowledged(farewellLimitMs),
      this.#invocationServer.close(farewellLimitMs),
      this.#runtimeServer.close(0),
    ]);
    this.#announcer.stop();
    this.#ended.resolve(status);
  }
}

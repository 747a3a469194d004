import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { NodeNews, NodeOrder } from "./node-process.ts";

const nodeFile = fileURLToPath(new URL("./node-process.ts", import.meta.url));

/** A process with agents in it that can be frozen, cut off and killed, and its environments with it. */
export class FleetNode {
  readonly process: ChildProcess;
  /** Its processes run as it, and nothing else does. */
  readonly group: number;
  readonly #waiting = new Map<string, (news: NodeNews) => void>();
  readonly #exited: Promise<unknown>;
  readonly #onGone: (podUid: string, atMs?: number) => void;

  private constructor(process: ChildProcess, group: number, onGone: (podUid: string, atMs?: number) => void) {
    this.process = process;
    this.group = group;
    this.#onGone = onGone;
    process.on("message", (news: NodeNews) => this.#hear(news));
    this.#exited = once(process, "exit");
  }

  /** `onGone`: an environment has ended by itself, at that time by the machine's monotonic clock. */
  static async start(group: number, onGone: (podUid: string, atMs?: number) => void): Promise<FleetNode> {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", nodeFile], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      gid: group,
    });
    const node = new FleetNode(child, group, onGone);
    await node.#news("", "ready");
    return node;
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  async startEnvironment(environment: Extract<NodeOrder, { kind: "start" }>["environment"]): Promise<void> {
    const told = this.#news(environment.podUid, "started");
    this.tell({ kind: "start", environment });
    await told;
  }

  async remove(podUid: string): Promise<void> {
    if (!this.isAlive) return;
    const told = Promise.race([this.#news(podUid, "removed"), this.#exited]);
    this.tell({ kind: "remove", podUid });
    await told;
  }

  tell(order: NodeOrder): void {
    if (this.process.connected) this.process.send(order);
  }

  /** SIGKILL, and waits until it is gone; supervisors see that their agents are. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    this.process.kill("SIGCONT");
    this.process.kill("SIGKILL");
    await this.#exited;
  }

  #news(podUid: string, kind: NodeNews["kind"]): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#waiting.set(podUid, (news) => {
        if (news.kind === kind) resolve();
        else reject(new Error(`Cannot see environment "${podUid}" ${kind}: it is ${news.kind}`));
      }),
    );
  }

  #hear(news: NodeNews): void {
    const waiting = this.#waiting.get(news.podUid);
    this.#waiting.delete(news.podUid);
    if (waiting !== undefined) waiting(news);
    else if (news.kind === "gone") this.#onGone(news.podUid, news.atMs);
  }
}

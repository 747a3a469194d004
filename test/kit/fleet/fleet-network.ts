/** A fleet's own piece of this machine's loopback, where packets between processes can be lost: needs root and iptables. */
import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";

/** Who sends: the group that a process of the fleet runs as. Absent: everybody. */
export interface Blocked {
  readonly from?: number;
  /** Absent: any address of the machine's loopback. */
  readonly ip?: string;
  readonly port?: number;
}

/** `drop`: as a cable that is cut, nobody learns of it. `reset`: as a host where nobody listens any more. */
export type BlockKind = "drop" | "reset";

const firstGroup = 200_000;
const groupsOfAFleet = 250;
const hostsOfAFleet = 250;

export class FleetNetwork {
  /** Pods have addresses of their own, and the ports of production. */
  readonly #prefix = `127.${randomInt(10, 250)}.${randomInt(0, 250)}`;
  readonly #firstGroup = firstGroup + randomInt(0, 10_000) * groupsOfAFleet;
  readonly #chain = `FLEET-${process.pid}-${randomInt(0, 10_000)}`;
  readonly #removeAtExit = (): void => this.close();
  readonly #free: string[] = [];
  #hosts = 0;
  #groups = 0;
  #isOpen = false;

  newAddress(): string {
    const again = this.#hosts < hostsOfAFleet ? undefined : this.#free.shift();
    if (again !== undefined) return again;
    this.#hosts += 1;
    if (this.#hosts > hostsOfAFleet) throw new Error(`Cannot give another address: ${hostsOfAFleet} are given`);
    return `${this.#prefix}.${this.#hosts}`;
  }

  /** Of a pod that is gone: another may get it once all have been given. */
  freeAddress(address: string): void {
    this.#free.push(address);
  }

  /** For one process; nothing else on this machine runs as it. */
  newGroup(): number {
    this.#groups += 1;
    return this.#firstGroup + this.#groups;
  }

  /** Until the returned function is called. */
  block(kind: BlockKind, blocked: readonly Blocked[]): () => void {
    this.#open();
    const target = kind === "drop" ? ["DROP"] : ["REJECT", "--reject-with", "tcp-reset"];
    const rules = blocked.map(({ from, ip = "127.0.0.0/8", port }) => [
      ...["-p", "tcp", "-d", ip],
      ...(port === undefined ? [] : ["--dport", String(port)]),
      ...(from === undefined ? [] : ["-m", "owner", "--gid-owner", String(from)]),
      ...["-j", ...target],
    ]);
    for (const rule of rules) iptables("-A", this.#chain, ...rule);
    return () => {
      if (this.#isOpen) for (const rule of rules) iptables("-D", this.#chain, ...rule);
    };
  }

  /** Everything passes again. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    process.off("exit", this.#removeAtExit);
    iptables("-D", "OUTPUT", "-d", "127.0.0.0/8", "-j", this.#chain);
    iptables("-F", this.#chain);
    iptables("-X", this.#chain);
  }

  #open(): void {
    if (this.#isOpen) return;
    iptables("-N", this.#chain);
    iptables("-I", "OUTPUT", "-d", "127.0.0.0/8", "-j", this.#chain);
    this.#isOpen = true;
    process.on("exit", this.#removeAtExit);
  }
}

function iptables(...args: readonly string[]): void {
  // Others on this machine may be changing rules.
  execFileSync("iptables", ["-w", "10", ...args], { stdio: ["ignore", "ignore", "pipe"], timeout: 15_000 });
}

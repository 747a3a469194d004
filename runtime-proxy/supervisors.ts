import type {
  DirectoryListing,
  MemoryReading,
  ProcessStarted,
  SignalProcess,
  StartProcess,
} from "../crds/wire/supervisor.ts";

/** What the environment asks of one container's supervisor. */
export interface Supervisor {
  start(process: StartProcess): Promise<ProcessStarted>;
  signal(signal: SignalProcess): void;
  reset(): Promise<void>;
  flush(): Promise<MemoryReading>;
  list(path: string): Promise<DirectoryListing["entries"]>;
  stop(): void;
  goOn(): void;
  end(): void;
}

/** The supervisors of all containers, each process with the one that started it. */
export class Supervisors {
  readonly #runtime: Supervisor;
  readonly #byExtension: ReadonlyMap<string, Supervisor>;
  readonly #all: readonly Supervisor[];
  readonly #byProcess = new Map<number, Supervisor>();

  /** `byExtension`: of files that have a container of their own; all others run beside the runtime. */
  constructor(runtime: Supervisor, byExtension: ReadonlyMap<string, Supervisor>) {
    this.#runtime = runtime;
    this.#byExtension = byExtension;
    this.#all = [runtime, ...byExtension.values()];
  }

  async start(process: StartProcess, extension: string | undefined): Promise<ProcessStarted> {
    const own = extension === undefined ? undefined : this.#byExtension.get(extension);
    const supervisor = own ?? this.#runtime;
    this.#byProcess.set(process.process, supervisor);
    return await supervisor.start(process);
  }

  signal(signal: SignalProcess): void {
    this.#byProcess.get(signal.process)?.signal(signal);
  }

  /** No process is left when this settles. */
  async reset(): Promise<void> {
    await Promise.all(this.#all.map((supervisor) => supervisor.reset()));
    this.#byProcess.clear();
  }

  /** Settles when what all processes have written until now was given on, with the memory of all containers together. */
  async flush(): Promise<MemoryReading> {
    const readings = await Promise.all(this.#all.map((supervisor) => supervisor.flush()));
    return {
      peakBytes: readings.reduce((sum, { peakBytes }) => sum + peakBytes, 0),
      currentBytes: readings.reduce((sum, { currentBytes }) => sum + currentBytes, 0),
    };
  }

  /** As the runtime's container sees it. */
  async list(path: string): Promise<DirectoryListing["entries"]> {
    return await this.#runtime.list(path);
  }

  stop(): void {
    for (const supervisor of this.#all) supervisor.stop();
  }

  goOn(): void {
    for (const supervisor of this.#all) supervisor.goOn();
  }

  end(): void {
    for (const supervisor of this.#all) supervisor.end();
  }
}

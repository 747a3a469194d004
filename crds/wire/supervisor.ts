/**
 * Agent ↔ supervisor, over one stream socket on which the agent listens and the supervisor connects, once, before it starts anything.
 *
 * Frame: uint32 big-endian length of what follows | uint8 kind | payload. A frame is at most 1 MiB; a longer one ends the connection.
 * Payloads are UTF-8 JSON, but for `output` and `write`. When the connection ends, the supervisor kills everything and ends with status 1.
 *
 * agent → supervisor
 *   "S" start   StartProcess: starts one process in a session of its own. Answer: "P" started or start failed.
 *   "K" signal  SignalProcess: to one process group.
 *   "R" reset   {}: SIGKILL to every process of the container but the supervisor, reap, drain output. Answer: "D" (after all "X" and "O").
 *   "W" write   raw bytes to the supervisor's own standard output (START, END and REPORT lines), in order with the output it copies; a line that a process
 *               has not finished is ended before.
 *   "F" flush   {id:number}: reads what the processes have written until now, and memory. Answer: all "O" frames, then "F" Flushed.
 *   "L" list    ListDirectory. Answer: "L" DirectoryListing.
 *   "Z" stop    {}: SIGSTOP to every process of the container but the supervisor. No answer.
 *   "C" go on   {}: SIGCONT to the same, and to what had stopped itself. No answer.
 *   "E" end     {}: kills everything, ends with status 0.
 * supervisor → agent
 *   "H" hello   Hello: the first frame.
 *   "P" process ProcessStarted
 *   "O" output  uint8 stream (1 stdout, 2 stderr, 3 telemetry) | uint32 process id number | raw bytes (at most 64 KiB). The supervisor has copied them
 *               to its own stdout; of stream 3, frames of the runtime clients (`telemetryFd`), the text alone, each record as lines of its own.
 *   "X" exit    ProcessExit
 *   "F", "D", "L" answers
 */
export const frameKinds = {
  start: "S",
  signal: "K",
  reset: "R",
  write: "W",
  flush: "F",
  list: "L",
  stop: "Z",
  goOn: "C",
  end: "E",
  hello: "H",
  process: "P",
  output: "O",
  exit: "X",
  done: "D",
} as const;

export const MAX_FRAME_BYTES = 1024 * 1024;
export const MAX_OUTPUT_BYTES = 64 * 1024;

export interface StartProcess {
  /** Chosen by the agent, never reused on a connection. */
  readonly process: number;
  /** argv; without `candidates` argv[0] is the executable (looked up in PATH when it has no slash). */
  readonly argv: readonly string[];
  /** The executable is the first of these that exists and is no directory; argv[0] is replaced by it. */
  readonly candidates?: readonly string[];
  /** Over the supervisor's own environment less KUBERNETES_*, KUBELAMBDA_* and HOME. */
  readonly env: Readonly<Record<string, string>>;
  /** Under both: what others may have put into the supervisor's own environment comes first. Absent: none. */
  readonly fallbacks?: readonly EnvFallback[];
  readonly workingDirectory: string;
  /** RLIMIT_NOFILE; absent: unchanged. */
  readonly openFiles?: number;
  /** Descriptor on which the process may write framed log records (telemetry-api.md 4), 3 to 255; absent: none. */
  readonly telemetryFd?: number;
}

/** Variables that belong together; left out where the supervisor's own environment has one of `unless`. */
export interface EnvFallback {
  readonly unless: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Of one directory, not below it; a path that is no directory or not to be read has no entries. The path is absolute. */
export interface ListDirectory {
  readonly id: number;
  readonly path: string;
}

export interface DirectoryListing {
  readonly id: number;
  /** In byte order of their names; the first 4,096 at most, fewer where a frame holds no more. A link counts as what it leads to. */
  readonly entries: readonly { readonly name: string; readonly isDirectory: boolean }[];
}

/** `error.message` is worded as Go's os/exec words it: "fork/exec /var/task/bootstrap: permission denied". */
export type ProcessStarted =
  | { readonly process: number; readonly pid: number }
  | { readonly process: number; readonly error: { readonly code: StartErrorCode; readonly message: string } };

/** NoCandidate: message is "Couldn't find valid bootstrap(s): [a b]". InvalidWorkingDir: the directory is missing or closed. */
export type StartErrorCode = "NoCandidate" | "InvalidEntrypoint" | "InvalidWorkingDir";

export interface SignalProcess {
  readonly process: number;
  readonly signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT";
}

export interface ProcessExit {
  readonly process: number;
  /** Exit status, when it ended by itself. */
  readonly status?: number;
  /** Go's word for the signal: "killed", "segmentation fault", "aborted", "terminated"… */
  readonly signal?: string;
  /**
   * The kernel took it, or a child of it, for want of memory since its start. Where it takes the whole container (cgroup v2,
   * memory.oom.group) the supervisor goes too and the agent sees the connection's end instead.
   */
  readonly outOfMemory: boolean;
}

export interface Hello {
  readonly protocol: 1;
  /** Of the container, as cgroup files say. */
  readonly cgroup: "v1" | "v2" | "none";
}

export interface MemoryReading {
  /** Peak of the container since its start, bytes; 0 when no cgroup can be read. */
  readonly peakBytes: number;
  readonly currentBytes: number;
}

export interface Flushed extends MemoryReading {
  /** As it was asked. */
  readonly id: number;
}

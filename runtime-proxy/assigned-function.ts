import { dirname } from "node:path";
import type { Assigned, Assignment } from "../crds/wire/assignment.ts";
import type { EnvironmentDocument } from "../crds/wire/environment.ts";
import type { AgentConfig } from "./agent-config.ts";
import { tellFetchMs } from "./assembled.ts";
import { decideAssignment, type AssignmentVerdict } from "./domain/assignment.ts";
import { fill, prepareToFill, type Filling } from "./fill.ts";
import { KnownHosts } from "./packages/known-hosts.ts";

type FunctionConfig = Pick<AgentConfig, "document" | "fillSource" | "taskRoot" | "layersRoot" | "runtimeSocket">;

/** Whose environment it is, from the start or by the first assignment that comes, and its code once that is in place. */
export class AssignedFunction {
  readonly #config: FunctionConfig;
  readonly #filled = Promise.withResolvers<EnvironmentDocument>();
  readonly #ending = new AbortController();
  /** Undefined: an init container brings code and layers. */
  readonly #filling: Filling | undefined;
  #document: EnvironmentDocument | undefined;

  constructor(config: FunctionConfig) {
    this.#config = config;
    this.#filled.promise.catch(() => undefined);
    const { fillSource: source } = config;
    this.#filling = source && { source, hosts: new KnownHosts(), signal: this.#ending.signal };
    if (config.document !== undefined) this.#begin(config.document);
    else if (this.#filling !== undefined) void prepareToFill(this.#filling);
  }

  /** Undefined: it is nobody's yet. */
  get document(): EnvironmentDocument | undefined {
    return this.#document;
  }

  get assigned(): Assigned {
    if (this.#document === undefined) return {};
    const { functionUid, revisionID } = this.#document;
    return { functionUid, revisionID };
  }

  /** Settles when code and layers are in place, or cannot be had. */
  get filled(): Promise<EnvironmentDocument> {
    return this.#filled.promise;
  }

  /** `epoch`: the newest that is known here. Nothing is awaited between looking and taking, so only one can be the first. */
  assign(assignment: Assignment, epoch: number): AssignmentVerdict {
    const { functionUid, revisionID } = this.assigned;
    const current = functionUid === undefined || revisionID === undefined ? undefined : { functionUid, revisionID };
    const verdict = decideAssignment({ current, epoch, isEnding: this.#ending.signal.aborted }, assignment);
    if (verdict.type === "take") this.#begin(assignment.document);
    return verdict;
  }

  /** Takes no function any more, and ends what is being fetched. */
  stop(): void {
    this.#ending.abort(new Error("The environment ends"));
  }

  #begin(document: EnvironmentDocument): void {
    this.#document = document;
    const { taskRoot: taskDirectory, layersRoot: layersDirectory } = this.#config;
    if (this.#filling === undefined) {
      this.#filled.resolve(document);
      return;
    }
    fill(document, this.#filling, { taskDirectory, layersDirectory }).then((totalMs) => {
      tellFetchMs(dirname(this.#config.runtimeSocket), totalMs);
      this.#filled.resolve(document);
    }, this.#filled.reject);
  }
}

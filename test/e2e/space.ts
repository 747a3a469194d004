import type { Condition } from "../../crds/v1alpha1/condition.ts";
import type { FunctionObject, FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { API_VERSION } from "../../crds/names.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { enforceRestricted, system, type System } from "./fixture.ts";
import { invoke, resultOf, type Answer, type InvokeOptions } from "./invoke.ts";

export interface PodState {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status: { readonly phase: string; readonly podIP?: string };
}

/** A function's manifest; `code` may be the text of its only file. */
export function functionManifest(name: string, spec: FunctionSpecInput): object {
  return { apiVersion: API_VERSION, kind: "Function", metadata: { name }, spec };
}

/** A Node.js function of one file, index.mjs. */
export function nodeFunction(source: string, more: Partial<FunctionSpecInput> = {}): FunctionSpecInput {
  return { runtime: "nodejs24.x", handler: "index.handler", code: { files: { "index.mjs": source } }, ...more };
}

/** A namespace with functions in it, as a test speaks of them. */
export class Space {
  readonly name: string;
  readonly system: System;

  private constructor(name: string, system: System) {
    this.name = name;
    this.system = system;
  }

  /** An empty namespace in which Pod Security is restricted. */
  static async open(name: string): Promise<Space> {
    const space = new Space(name, await system());
    await space.close("wait");
    await enforceRestricted(space.system.kubectl, name);
    return space;
  }

  async close(wait: "wait" | "leave" = "leave"): Promise<void> {
    const args = ["delete", "namespace", this.name, "--ignore-not-found", `--wait=${wait === "wait"}`];
    await this.system.kubectl([...args, "--timeout=100s"], { timeoutMs: 110_000 });
  }

  async kubectl(...args: readonly string[]): Promise<string> {
    return await this.system.kubectl(["--namespace", this.name, ...args]);
  }

  async apply(...manifests: readonly object[]): Promise<string> {
    const list = { apiVersion: "v1", kind: "List", items: manifests };
    return await this.system.kubectl(["--namespace", this.name, "apply", "-f", "-"], { input: JSON.stringify(list) });
  }

  async applyFunction(name: string, spec: FunctionSpecInput): Promise<string> {
    return await this.apply(functionManifest(name, spec));
  }

  /** Applies and waits until calls are taken. */
  async serve(name: string, spec: FunctionSpecInput): Promise<void> {
    await this.applyFunction(name, spec);
    await this.waitReady(name);
  }

  async waitReady(name: string): Promise<void> {
    await this.system.kubectl(
      ["--namespace", this.name, "wait", "--for=condition=Ready", `fn/${name}`, "--timeout=60s"],
      {
        timeoutMs: 70_000,
      },
    );
  }

  async getFunction(name: string): Promise<FunctionObject> {
    return JSON.parse(await this.kubectl("get", "fn", name, "-o", "json")) as FunctionObject;
  }

  /** Waits until a condition of the function is as `accept` wants it. */
  async waitCondition(
    name: string,
    type: string,
    accept: (condition: Condition) => boolean,
    timeoutMs = 60_000,
  ): Promise<Condition> {
    const what = `condition "${type}" of function "${name}"`;
    return await waitUntil({ what, timeoutMs, everyMs: 250 }, async () => {
      const { status, metadata } = await this.getFunction(name);
      const condition = status?.conditions?.find((candidate) => candidate.type === type);
      if (condition?.observedGeneration === metadata.generation && condition !== undefined && accept(condition)) {
        return condition;
      }
      throw new Error(`it is ${JSON.stringify(condition)}`);
    });
  }

  async invoke(name: string, payload: unknown, options: Omit<InvokeOptions, "namespace"> = {}): Promise<Answer> {
    return await invoke(this.system.routerUrl, name, payload, { ...options, namespace: this.name });
  }

  /** What the function answers; an error is thrown. */
  async call(name: string, payload: unknown, options: Omit<InvokeOptions, "namespace"> = {}): Promise<unknown> {
    return resultOf(await this.invoke(name, payload, options));
  }

  /** Of functions: what waits in the pool is nobody's. */
  async pods(): Promise<readonly PodState[]> {
    const output = await this.kubectl(
      "get",
      "pods",
      "-l",
      "kubelambda.dev/component=environment,kubelambda.dev/function-uid",
      "-o",
      "json",
    );
    return (JSON.parse(output) as { items: PodState[] }).items;
  }
}

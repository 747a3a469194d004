import { API_VERSION, labels } from "../../crds/names.ts";
import { aliasKind, type AliasObject, type AliasSpec } from "../../crds/v1alpha1/alias.ts";
import type { FunctionObject, FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { versionKind, type VersionObject, type VersionSpec } from "../../crds/v1alpha1/version.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import type { SnapshotObject } from "../../operator/controllers/version/snapshot.ts";
import { LEDGER_NAME } from "../../operator/ledger.ts";
import type { OperatorWorld } from "./operator-world.ts";

interface Want {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

const ready: Want = { type: "Ready", status: "True" };

/** A namespace with a function `f` and its versions and aliases, as tests of the whole operator speak of them. */
export class VersionSpace {
  readonly namespace: string;
  readonly #world: OperatorWorld;

  private constructor(world: OperatorWorld, namespace: string) {
    this.#world = world;
    this.namespace = namespace;
  }

  /** In a namespace of its own, or in one that is there. */
  static async open(world: OperatorWorld, namespace?: string): Promise<VersionSpace> {
    return new VersionSpace(world, namespace ?? (await world.makeNamespace()));
  }

  /** The function "f" with this code, ready. */
  async function(text = "one", spec: Partial<FunctionSpecInput> = {}): Promise<Stored<FunctionObject>> {
    await this.#world.createFunction(this.namespace, "f", { ...code(text), ...spec });
    return await this.functionReady();
  }

  async functionReady(): Promise<Stored<FunctionObject>> {
    return await this.#world.untilCondition({ namespace: this.namespace, name: "f" }, ready);
  }

  /** Changes the spec of "f" and waits until that runs. */
  async change(spec: object): Promise<Stored<FunctionObject>> {
    await this.#world.patchSpec(this.namespace, "f", spec);
    return await this.functionReady();
  }

  async createVersion(name: string, spec: Partial<VersionSpec> = {}): Promise<void> {
    await this.#create("Version", name, spec);
  }

  async createAlias(name: string, spec: Partial<AliasSpec> = {}): Promise<void> {
    await this.#create("Alias", name, spec);
  }

  async #create(kind: string, name: string, spec: object): Promise<void> {
    const reference = "functionRef" in spec ? {} : { functionName: "f" };
    const metadata = { namespace: this.namespace, name };
    await this.#world.client.create({ apiVersion: API_VERSION, kind, metadata, spec: { ...reference, ...spec } });
  }

  async version(name: string): Promise<Stored<VersionObject>> {
    return await this.#world.client.get<VersionObject>(this.versionRef(name));
  }

  async alias(name: string): Promise<Stored<AliasObject>> {
    return await this.#world.client.get<AliasObject>(this.aliasRef(name));
  }

  async patchAlias(name: string, spec: object): Promise<void> {
    await this.#world.client.patch(this.aliasRef(name), { spec });
  }

  async deleteVersion(name: string): Promise<void> {
    await this.#world.client.delete(this.versionRef(name));
  }

  async deleteAlias(name: string): Promise<void> {
    await this.#world.client.delete(this.aliasRef(name));
  }

  async untilVersion(name: string, want: Want = ready): Promise<Stored<VersionObject>> {
    return await this.#until(`Version "${name}"`, want, () => this.version(name));
  }

  async untilAlias(name: string, want: Want = ready): Promise<Stored<AliasObject>> {
    return await this.#until(`Alias "${name}"`, want, () => this.alias(name));
  }

  async published(name: string, spec?: Partial<VersionSpec>): Promise<number | undefined> {
    await this.createVersion(name, spec);
    return (await this.untilVersion(name)).status?.version;
  }

  /** Resolves when the Version and its snapshot are gone. */
  async untilGone(name: string): Promise<void> {
    await this.#world.until(`Version "${name}" is gone`, async () => {
      const { items } = await this.#world.client.list(versionKind, { namespace: this.namespace });
      return items.some(({ metadata }) => metadata.name === name) ? undefined : true;
    });
  }

  async versions(): Promise<readonly Stored<VersionObject>[]> {
    return (await this.#world.client.list<VersionObject>(versionKind, { namespace: this.namespace })).items;
  }

  async aliases(): Promise<readonly Stored<AliasObject>[]> {
    return (await this.#world.client.list<AliasObject>(aliasKind, { namespace: this.namespace })).items;
  }

  async snapshots(): Promise<readonly Stored<SnapshotObject>[]> {
    const options = { namespace: this.namespace, labelSelector: labels.version };
    return (await this.#world.client.list<SnapshotObject>(kinds.controllerRevision, options)).items;
  }

  /** Without who counts on the last number. */
  async ledger(): Promise<Readonly<Record<string, string>>> {
    const ref = { kind: kinds.configMap, namespace: this.namespace, name: LEDGER_NAME };
    const { data } = await this.#world.client.get<KubernetesObject & { data: Readonly<Record<string, string>> }>(ref);
    return Object.fromEntries(Object.entries(data).filter(([name]) => !name.endsWith(".holder")));
  }

  versionRef(name: string) {
    return { kind: versionKind, namespace: this.namespace, name };
  }

  aliasRef(name: string) {
    return { kind: aliasKind, namespace: this.namespace, name };
  }

  async #until<T extends Stored<VersionObject | AliasObject>>(
    what: string,
    want: Want,
    look: () => Promise<T>,
  ): Promise<T> {
    let last = "nothing";
    try {
      return await this.#world.until("condition", async () => {
        const found = await look();
        const condition = found.status?.conditions?.find(({ type }) => type === want.type);
        last = JSON.stringify(condition);
        const isIt = condition?.status === want.status && (want.reason ?? condition.reason) === condition.reason;
        return isIt && condition.observedGeneration === found.metadata.generation ? found : undefined;
      });
    } catch (error) {
      throw new Error(`${what} does not get ${JSON.stringify(want)}: ${last}`, { cause: error });
    }
  }
}

/** A function's code of one file. */
export function code(text: string) {
  return { code: { files: { "index.mjs": `// ${text}` } } };
}

export function messageOf({ status }: VersionObject | AliasObject, type: string): string {
  return status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
}

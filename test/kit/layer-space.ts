import { API_VERSION, labels } from "../../crds/names.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import { layerKind, type LayerObject, type LayerSpecInput } from "../../crds/v1alpha1/layer.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import type { KubernetesObject, Stored } from "../../lib/kubernetes/object.ts";
import { LEDGER_NAME } from "../../operator/ledger.ts";
import type { OperatorWorld } from "./operator-world.ts";

interface Want {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

/** Content of one file. */
export const files = (text: string, name = "a.txt") => ({ content: { files: { [name]: text } } });

export function messageOf({ status }: FunctionObject | LayerObject, type: string): string {
  return status?.conditions?.find((condition) => condition.type === type)?.message ?? "";
}

/** A namespace with layers in it, as tests of the whole operator speak of them. */
export class LayerSpace {
  readonly namespace: string;
  readonly #world: OperatorWorld;

  private constructor(world: OperatorWorld, namespace: string) {
    this.#world = world;
    this.namespace = namespace;
  }

  /** In a namespace of its own, or in one that is there. */
  static async open(world: OperatorWorld, namespace?: string): Promise<LayerSpace> {
    return new LayerSpace(world, namespace ?? (await world.makeNamespace()));
  }

  async create(name: string, spec: Partial<LayerSpecInput> = {}): Promise<void> {
    const metadata = { namespace: this.namespace, name };
    const object = { apiVersion: API_VERSION, kind: "Layer", metadata, spec: { ...files(name), ...spec } };
    await this.#world.client.create(object);
  }

  async get(name: string): Promise<Stored<LayerObject>> {
    return await this.#world.client.get<LayerObject>(this.ref(name));
  }

  async patch(name: string, spec: object): Promise<void> {
    await this.#world.client.patch(this.ref(name), { spec });
  }

  async delete(name: string): Promise<void> {
    await this.#world.client.delete(this.ref(name));
  }

  /** The Layer once its condition is so for its present generation. */
  async untilCondition(name: string, want: Want): Promise<Stored<LayerObject>> {
    return await this.#world.until(`Layer "${name}" has ${JSON.stringify(want)}`, async () => {
      const found = await this.get(name);
      const condition = found.status?.conditions?.find(({ type }) => type === want.type);
      const isIt = condition?.status === want.status && (want.reason ?? condition.reason) === condition.reason;
      return isIt && condition.observedGeneration === found.metadata.generation ? found : undefined;
    });
  }

  async ready(name: string, spec?: Partial<LayerSpecInput>): Promise<Stored<LayerObject>> {
    await this.create(name, spec);
    return await this.untilCondition(name, { type: "Ready", status: "True" });
  }

  async untilVersion(name: string, version: number): Promise<Stored<LayerObject>> {
    return await this.#world.until(`Layer "${name}" has version ${version}`, async () => {
      const found = await this.get(name);
      return found.status?.latestVersion === version ? found : undefined;
    });
  }

  /** What keeps the versions of all layers here. */
  async versions(): Promise<readonly Stored[]> {
    const options = { namespace: this.namespace, labelSelector: labels.layerUid };
    return (await this.#world.client.list(kinds.controllerRevision, options)).items;
  }

  async deleteVersion(object: string): Promise<void> {
    const ref = { kind: kinds.controllerRevision, namespace: this.namespace, name: object };
    await this.#world.client.delete(ref);
  }

  /** Without who counts on the last number. */
  async ledger(): Promise<Readonly<Record<string, string>>> {
    const ref = { kind: kinds.configMap, namespace: this.namespace, name: LEDGER_NAME };
    const { data } = await this.#world.client.get<KubernetesObject & { data: Readonly<Record<string, string>> }>(ref);
    return Object.fromEntries(Object.entries(data).filter(([name]) => !name.endsWith(".holder")));
  }

  ref(name: string) {
    return { kind: layerKind, namespace: this.namespace, name };
  }
}

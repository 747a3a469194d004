/** The containers of the extensions that a function's layers bring: one each, in byte order of their files. Pure. */
import { annotations } from "../../../crds/names.ts";
import type { Pod } from "../../pod.ts";
import { extensionFiles } from "./layer-use.ts";
import type { Recipe } from "./recipe.ts";

type Container = Pod["spec"]["containers"][number];
type Volume = NonNullable<Pod["spec"]["volumes"]>[number];
type Mount = NonNullable<Container["volumeMounts"]>[number];

/** What the pod has for one extension beside its container. */
export interface ExtensionPlace {
  /** `extension-<n>`, n from 1. */
  readonly name: string;
  /** Name of the file in `/opt/extensions`. */
  readonly file: string;
  /** Where its supervisor is started and meets the agent. */
  readonly directory: string;
  readonly socket: string;
  readonly mount: Mount;
  readonly volume: Volume;
}

export function extensionPlaces({ layers = [] }: Pick<Recipe, "layers">): readonly ExtensionPlace[] {
  return extensionFiles(layers).map((file, index) => {
    const name = `extension-${index + 1}`;
    const directory = `/run/kubelambda/${name}`;
    const volume = `control-${name}`;
    return {
      ...{ name, file, directory },
      socket: `${directory}/agent.sock`,
      mount: { name: volume, mountPath: directory },
      volume: { name: volume, emptyDir: { sizeLimit: "64Mi" } },
    };
  });
}

/** As the runtime's container is, but for its name and its own control directory, which no other container sees. */
export function extensionContainer(runtime: Container, runtimeControl: string, place: ExtensionPlace): Container {
  const { volumeMounts = [], ...rest } = runtime;
  const shared = volumeMounts.filter(({ mountPath }) => mountPath !== runtimeControl);
  return {
    ...rest,
    name: place.name,
    command: [`${place.directory}/supervisor`],
    env: [{ name: "KUBELAMBDA_SOCKET", value: place.socket }],
    volumeMounts: [...shared, { ...place.mount, readOnly: true }],
  };
}

/** Which file has which socket, as the agent reads it; as an annotation, since the kubelet expands no such value. */
export function extensionAnnotation(places: readonly ExtensionPlace[]): Record<string, string> {
  if (places.length === 0) return {};
  const sockets = Object.fromEntries(places.map(({ file, socket }) => [file, socket]));
  return { [annotations.extensions]: JSON.stringify(sockets) };
}

/** The agent's variable for them. */
export function extensionVariable(places: readonly ExtensionPlace[]): NonNullable<Container["env"]> {
  if (places.length === 0) return [];
  const fieldPath = `metadata.annotations['${annotations.extensions}']`;
  return [{ name: "KUBELAMBDA_EXTENSION_SOCKETS", valueFrom: { fieldRef: { fieldPath } } }];
}

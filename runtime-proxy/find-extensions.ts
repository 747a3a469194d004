import type { Supervisors } from "./supervisors.ts";

/** A file of this name among the layers switches all extensions off. Source: emulator extensions/extensions.go. */
const offSwitch = "disable-extensions-jwigqn8j";

/** The external extensions that layers or the image have brought, in byte order of their names. */
export async function findExtensions(
  supervisors: Pick<Supervisors, "list">,
  layersRoot: string,
): Promise<{ readonly files: readonly string[]; readonly areDisabled: boolean }> {
  const [top, extensions] = await Promise.all([
    supervisors.list(layersRoot),
    supervisors.list(`${layersRoot}/extensions`),
  ]);
  const files = extensions.filter(({ isDirectory }) => !isDirectory).map(({ name }) => name);
  return { files, areDisabled: top.some(({ name }) => name === offSwitch) };
}

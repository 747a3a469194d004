/** One package that tests of the store speak of. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ResolveRequest } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { zipBytes } from "./zip-bytes.ts";

export const zip = zipBytes([{ name: "index.mjs", content: "export const handler = 1;" }]);
export const zipSource: ResolveRequest["source"] = { type: "zip", base64: zip.toString("base64") };
export const hex = createHash("sha256").update(zip).digest("hex");
export const digest = `sha256:${hex}`;
export const object = routes.object(digest);
/** Of a namespace that has it. */
export const reader = "team-a/default";

/** Changes a byte of it in a volume store's directory. */
export async function damage(directory: string): Promise<void> {
  const file = await open(join(directory, "objects", hex.slice(0, 2), `${hex}.zip`), "r+");
  await file.write("X", 5);
  await file.close();
}

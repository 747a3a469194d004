import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { goModuleFolder } from "../cluster/go-module.ts";

export interface SampleEvents {
  readonly good: ReadonlyMap<string, Buffer>;
  /** No JSON. */
  readonly broken: ReadonlyMap<string, Buffer>;
}

const goModule = "github.com/aws/aws-lambda-go@v1.49.0";

/** AWS's own sample events by file name, as they are shipped with its Go library; some are broken on purpose. */
export async function sampleEvents(): Promise<SampleEvents> {
  const folder = join(await goModuleFolder(goModule), "events", "testdata");
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const all = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
  const pick = (wanted: boolean) => new Map([...all].filter(([, bytes]) => isJson(bytes) === wanted));
  return { good: pick(true), broken: pick(false) };
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString());
    return true;
  } catch {
    return false;
  }
}

import { run } from "./run.ts";

/** The folder of a Go module's sources, downloaded if need be; `module` as in `example.org/name@v1.0.0`. */
export async function goModuleFolder(module: string): Promise<string> {
  const found = await run("go", ["mod", "download", "-json", module], {
    timeoutMs: 120_000,
    env: { GOFLAGS: "-mod=mod" },
  });
  return (JSON.parse(found) as { readonly Dir: string }).Dir;
}

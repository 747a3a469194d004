/** Programs of other projects that our docs have recipes for, built from their Go modules, each as an image of itself. */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withFileLock } from "../cluster/file-lock.ts";
import { goModuleFolder } from "../cluster/go-module.ts";
import { buildGoProgram, type GoProgram, type Progress } from "../cluster/go-program.ts";
import { cacheDir } from "../cluster/paths.ts";
import { buildProgramImage } from "../cluster/program-image.ts";
import { run } from "../cluster/run.ts";
import type { System } from "../e2e/fixture.ts";

const sources = import.meta.dirname;
const ldflags = "-s -w";

/** Ingress controller and gateway. */
export const traefik: GoProgram = {
  ...{ name: "traefik", sources, ldflags },
  mainPackage: "github.com/traefik/traefik/v3/cmd/traefik",
  duration: "5 to 10 minutes on two cores",
};

/** With the service discovery of Kubernetes alone. */
export const prometheus: GoProgram = {
  ...{ name: "prometheus", sources, ldflags, tags: "remove_all_sd,enable_kubernetes_sd" },
  mainPackage: "github.com/prometheus/prometheus/cmd/prometheus",
  duration: "3 to 5 minutes on two cores",
};

/** KEDA's operator. Its image has no time zones, so the program has them. */
export const keda: GoProgram = {
  ...{ name: "keda", sources, ldflags, tags: "timetzdata" },
  mainPackage: "github.com/kedacore/keda/v2/cmd/operator",
  duration: "8 to 15 minutes on two cores",
};

/** KEDA's server of external metrics. */
export const kedaAdapter: GoProgram = {
  ...keda,
  ...{ name: "keda-adapter", folder: "keda" },
  mainPackage: "github.com/kedacore/keda/v2/cmd/adapter",
  duration: "1 to 2 minutes on two cores",
};

export const prometheusAdapter: GoProgram = {
  ...{ name: "prometheus-adapter", sources, ldflags },
  mainPackage: "sigs.k8s.io/prometheus-adapter/cmd/adapter",
  duration: "2 to 4 minutes on two cores",
};

/** Builds the program's image unless the cache has it and puts it on the nodes; answers with its name. */
export async function loadProgram(system: System, program: GoProgram, progress: Progress): Promise<string> {
  if (program === traefik) await prepareLego();
  const image = `kubelambda.test/integrations/${basename(await buildGoProgram(program, progress))}:1`;
  await system.cluster.loadImage(await buildProgramImage(program, image, progress));
  return image;
}

/** The sources of a module in the version that a program is built with, as its go.mod says. */
export async function moduleOf({ name, folder = name }: GoProgram, module: string): Promise<string> {
  const version = await run("go", ["list", "-mod=readonly", "-m", "-f", "{{.Version}}", module], {
    cwd: join(sources, folder),
    env: { GOWORK: "off" },
    timeoutMs: 60_000,
  });
  return await goModuleFolder(`${module}@${version.trim()}`);
}

const lego = "github.com/go-acme/lego/v5";

/**
 * Traefik's client of certificate authorities, where go.mod looks for it: without its clients of DNS providers, since modules that these
 * need are not served by every proxy, and without the commands that use them.
 */
async function prepareLego(): Promise<void> {
  const modules = join(cacheDir, "modules");
  const target = join(modules, "lego");
  const marked = join(target, `${basename(await legoFolder())}.prepared`);
  mkdirSync(modules, { recursive: true });
  await withFileLock(join(modules, "lego.lock"), 300_000, async () => {
    if (existsSync(marked)) return;
    const work = join(modules, "lego.unfinished");
    for (const folder of [work, target]) rmSync(folder, { recursive: true, force: true });
    cpSync(await legoFolder(), work, { recursive: true });
    await run("chmod", ["-R", "u+w", work], { timeoutMs: 60_000 });
    for (const left of ["providers/dns", "cmd", "e2e"]) rmSync(join(work, left), { recursive: true });
    const standIn = join(work, "providers", "dns", "dns.go");
    mkdirSync(dirname(standIn));
    cpSync(join(sources, "traefik", "dns", "dns.go"), standIn);
    cpSync(standIn, join(work, basename(marked)));
    renameSync(work, target);
  });
}

/** Not by Go's own list of modules, which would look for the copy. */
async function legoFolder(): Promise<string> {
  const required = readFileSync(join(sources, "traefik", "go.mod"), "utf8");
  const version = new RegExp(`^(?:require |\\t)${lego} (v\\S+)`, "m").exec(required)?.[1];
  if (version === undefined) throw new Error(`Cannot build traefik: its go.mod requires no ${lego}`);
  return await goModuleFolder(`${lego}@${version}`);
}

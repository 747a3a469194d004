/**
 * Builds the image with buildah from this checkout's dist/ (`npm run build` first): the Dockerfile's last stage, fed with what its build stage would have made.
 * Environment: IMAGE (name, default kubelambda:dev), BASE_IMAGE (default: the Dockerfile's), BASE_ARCHIVE (OCI archive that holds BASE_IMAGE),
 * OUTPUT (OCI archive to write; default .cache/image/kubelambda.tar).
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(".cache/image");
const storage = ["--storage-driver", "vfs", "--root", join(folder, "storage"), "--runroot", join(folder, "run")];
const image = process.env["IMAGE"] ?? "kubelambda:dev";
const output = resolve(process.env["OUTPUT"] ?? join(folder, "kubelambda.tar"));

function buildah(...args: string[]): string {
  return execFileSync("buildah", [...storage, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}

/** node_modules without what only development needs, kept by the lock file's digest. */
function productionModules(): string {
  const lock = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex").slice(0, 16);
  const modules = join(folder, `modules-${lock}`);
  if (existsSync(modules)) return modules;
  const unfinished = `${modules}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  for (const file of ["package.json", "package-lock.json", ".npmrc"]) cpSync(file, join(unfinished, file));
  const npm = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", npm, { cwd: unfinished, stdio: ["ignore", "ignore", "inherit"] });
  renameSync(unfinished, modules);
  return modules;
}

const source = join(folder, "context", "source");
rmSync(join(folder, "context"), { recursive: true, force: true });
mkdirSync(source, { recursive: true });
cpSync("package.json", join(source, "package.json"));
cpSync("dist", join(source, "dist"), { recursive: true });
cpSync(join(productionModules(), "node_modules"), join(source, "node_modules"), {
  recursive: true,
  verbatimSymlinks: true,
});

const baseImage = process.env["BASE_IMAGE"];
const baseArchive = process.env["BASE_ARCHIVE"];
if (baseArchive !== undefined && baseImage !== undefined)
  buildah("tag", buildah("pull", "--quiet", `oci-archive:${baseArchive}`), baseImage);
buildah(
  "build",
  "--quiet",
  "--isolation=chroot",
  "--pull=false",
  `--build-context=build=${join(folder, "context")}`,
  ...(baseImage === undefined ? [] : [`--build-arg=BASE_IMAGE=${baseImage}`]),
  `--tag=${image}`,
  "--file=Dockerfile",
  ".",
);
// The image that carried the tag before: storage without layers of its own would grow with each build.
buildah("rmi", "--prune", "--force");
rmSync(output, { force: true });
buildah("push", "--quiet", image, `oci-archive:${output}:${image}`);
process.stdout.write(`${output}\n`);

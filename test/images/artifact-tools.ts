/** The tools that people make artifacts with: oras, built here from its Go module, and skopeo. */
import { buildGoProgram, oras } from "../cluster/go-program.ts";
import { run } from "../cluster/run.ts";

export interface PushedArtifact {
  /** Folder that `files` are named in. */
  readonly folder: string;
  /** `registry/repository:tag`. */
  readonly reference: string;
  /** As the tool takes them: `name` or `name:media/type`. */
  readonly files: readonly string[];
  readonly login?: { readonly user: string; readonly password: string };
  /** Certificates (PEM) to trust; absent: plain HTTP. */
  readonly caFile?: string;
}

export async function orasPush({ folder, reference, files, login, caFile }: PushedArtifact): Promise<void> {
  const program = await buildGoProgram(oras, (line) => process.stderr.write(`    ${line}\n`));
  const proof = login === undefined ? [] : ["--username", login.user, "--password", login.password];
  const way = caFile === undefined ? ["--plain-http"] : ["--ca-file", caFile];
  await run(program, ["push", ...way, ...proof, "--disable-path-validation", reference, ...files], {
    cwd: folder,
    timeoutMs: 60_000,
  });
}

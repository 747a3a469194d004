/** Manifests that others publish, as a test applies them: with images that are here. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { repositoryRoot } from "../cluster/paths.ts";
import type { System } from "../e2e/fixture.ts";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [member: string]: unknown;
}

interface DeploymentSpec {
  readonly template: {
    readonly spec: {
      securityContext?: object;
      readonly containers: readonly { image: string; imagePullPolicy?: string }[];
    };
  };
}

/** All documents of a YAML text that are not empty. */
export function documentsOf(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text);
  for (const { errors } of documents as readonly { readonly errors: readonly Error[] }[]) {
    if (errors[0] !== undefined) throw new Error(`Cannot read YAML: ${errors[0].message}`);
  }
  return documents.map((document) => document.toJS() as Manifest | null).filter((manifest) => manifest !== null);
}

export function manifestsOf(...files: readonly string[]): readonly Manifest[] {
  return files.flatMap((file) => documentsOf(readFileSync(file, "utf8")));
}

/**
 * The documents of the one fenced block of YAML in a page of docs/ in which `word` stands: what readers copy is what is run.
 * Throws unless there is exactly one.
 */
export function recipeOf(page: string, word: string): readonly Manifest[] {
  const blocks = readFileSync(join(repositoryRoot, "docs", page), "utf8").matchAll(/^```yaml\n(.*?)^```$/gms);
  const found = [...blocks].map(([, block = ""]) => block).filter((block) => block.includes(word));
  const [block] = found;
  if (found.length !== 1 || block === undefined) {
    throw new Error(`Cannot take the recipe from docs/${page}: ${found.length} blocks of YAML have "${word}", not one`);
  }
  return documentsOf(block);
}

/**
 * Deployments run the images of `byName` (their image's name without tag → ours) as user `runAsUser`, since ours name none as theirs do;
 * whatever else stays as it is.
 */
export function withImages(
  manifests: readonly Manifest[],
  byName: Readonly<Record<string, string>>,
  runAsUser: number,
): readonly Manifest[] {
  return manifests.map((manifest) => {
    if (manifest.kind !== "Deployment") return manifest;
    const copy = structuredClone(manifest) as Manifest & { readonly spec: DeploymentSpec };
    const pod = copy.spec.template.spec;
    pod.securityContext = { ...pod.securityContext, runAsUser };
    for (const container of pod.containers) {
      const name = container.image.replace(/:[^:/]*$/, "");
      const image = byName[name];
      if (image === undefined) throw new Error(`Cannot run "${name}" of ${manifest.metadata.name}: there is no image`);
      container.image = image;
      container.imagePullPolicy = "IfNotPresent";
    }
    return copy;
  });
}

/** Server-side, since definitions of others may be larger than an annotation. */
export async function applyAll({ kubectl }: System, manifests: readonly Manifest[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
  await kubectl(["apply", "--server-side", "--force-conflicts", "--field-manager=integrations", "-f", "-"], { input });
}

/** The last first; what is not there is no fault. Waits until they are gone. */
export async function deleteAll({ kubectl }: System, manifests: readonly Manifest[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests.toReversed() });
  await kubectl(["delete", "--ignore-not-found", "--timeout=100s", "-f", "-"], { input, timeoutMs: 110_000 });
}

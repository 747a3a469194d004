/**
 * What an image's name says. Grammar and defaults: distribution/reference (reference.go, normalize.go): a first part without dot, colon
 * and capital that is not `localhost` is no registry, Docker Hub's short names are below `library/`, and no tag means `latest`.
 */
import { quote, RegistryError } from "./registry-error.ts";

export interface ImageReference {
  /** As it stands in the name: `docker.io`, `ghcr.io`, `registry.example:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** At least one of the two; with a digest the tag says nothing. */
  readonly tag?: string;
  readonly digest?: string;
}

const dockerHub = "docker.io";
const longestName = 255;
const domainComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domainPattern = new RegExp(`^(?:${domainComponent}(?:\\.${domainComponent})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?$`);
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

/** Throws RegistryError (InvalidImageReference), whose message says what part is wrong. */
export function parseImageReference(text: string): ImageReference {
  const [name = "", digest, ...more] = text.split("@");
  if (more.length > 0) throw invalid(text, "it has more than one @");
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw invalid(text, `its digest ${quote(digest)} is not sha256: and 64 lower-case hex digits`);
  }
  const { base, tag } = splitTag(name);
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(text, `its tag ${quote(tag)} has forbidden characters`);
  const { registry, repository } = splitRegistry(base);
  if (!domainPattern.test(registry)) throw invalid(text, `its registry ${quote(registry)} is no host name`);
  if (!repositoryPattern.test(repository)) {
    throw invalid(text, `its repository ${quote(repository)} is not lower-case words between slashes`);
  }
  if (registry.length + 1 + repository.length > longestName) throw invalid(text, "its name is longer than 255");
  if (digest !== undefined) return { registry, repository, digest, ...(tag !== undefined && { tag }) };
  if (/^[0-9a-f]{64}$/.test(base)) throw invalid(text, "it is the id of an image, not its name");
  return { registry, repository, tag: tag ?? "latest" };
}

/** `registry/repository@sha256:…`, which any container runtime takes. */
export function pinnedReference({ registry, repository }: ImageReference, digest: string): string {
  return `${registry}/${repository}@${digest}`;
}

/** Host and port that serve the registry's API. */
export function apiHost({ registry }: ImageReference): string {
  return registry === dockerHub ? "registry-1.docker.io" : registry;
}

/** A colon after the last slash begins a tag; one before it belongs to a port. */
function splitTag(name: string): { readonly base: string; readonly tag?: string } {
  const colon = name.lastIndexOf(":");
  if (colon <= name.lastIndexOf("/")) return { base: name };
  return { base: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function splitRegistry(base: string): { readonly registry: string; readonly repository: string } {
  const slash = base.indexOf("/");
  const first = base.slice(0, Math.max(slash, 0));
  const isRegistry = slash !== -1 && (/[.:A-Z]/.test(first) || first === "localhost");
  const registry = isRegistry ? first : dockerHub;
  const repository = isRegistry ? base.slice(slash + 1) : base;
  if (registry !== dockerHub && registry !== "index.docker.io") return { registry, repository };
  return { registry: dockerHub, repository: repository.includes("/") ? repository : `library/${repository}` };
}

function invalid(text: string, why: string): RegistryError {
  return new RegistryError("InvalidImageReference", `Cannot read image name ${quote(text)}: ${why}`);
}

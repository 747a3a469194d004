/**
 * Pull secrets' files, as the kubelet reads them. Sources: Kubernetes documentation "Images" (config.json interpretation), Docker's
 * config.json (`auths`, `identitytoken`, `registrytoken`), the older `.dockercfg`. Pure.
 */
import { members } from "./manifests.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** OAuth2 refresh token, in place of user and password. */
  readonly identityToken?: string;
  /** Bearer token for the registry itself. */
  readonly registryToken?: string;
}

interface Entry {
  readonly host: string;
  readonly path: string;
  readonly credentials: Credentials;
}

/** All that match the repository, the longest path first; files that are no JSON are passed over. */
export function findCredentials(
  files: readonly string[],
  registry: string,
  repository: string,
): readonly Credentials[] {
  const entries = files.flatMap(readEntries);
  const matching = entries.filter(({ host, path }) => hostMatches(host, registry) && pathMatches(path, repository));
  return matching.sort((a, b) => b.path.length - a.path.length).map(({ credentials }) => credentials);
}

function readEntries(text: string): Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const { auths = value } = members(value);
  return Object.entries(members(auths)).flatMap(([key, entry]) => {
    const credentials = readCredentials(members(entry));
    return credentials === undefined ? [] : [{ ...splitKey(key), credentials }];
  });
}

function readCredentials(entry: Readonly<Record<string, unknown>>): Credentials | undefined {
  const text = (name: string): string => (typeof entry[name] === "string" ? entry[name] : "");
  const [identityToken, registryToken] = [text("identitytoken"), text("registrytoken")];
  const pair = text("auth") === "" ? `${text("username")}:${text("password")}` : decodeBase64(text("auth"));
  const colon = pair.indexOf(":");
  const [user, password] = [pair.slice(0, Math.max(colon, 0)), pair.slice(colon + 1)];
  if (user === "" && identityToken === "" && registryToken === "") return undefined;
  return {
    user,
    password,
    ...(identityToken !== "" && { identityToken }),
    ...(registryToken !== "" && { registryToken }),
  };
}

/** `https://index.docker.io/v1/`, `ghcr.io`, `registry.example:5000/team`, `*.example`. */
function splitKey(key: string): { readonly host: string; readonly path: string } {
  const bare = key.replace(/^https?:\/\//, "").replace(/\/+$/, "");
  const slash = bare.indexOf("/");
  const host = slash === -1 ? bare : bare.slice(0, slash);
  const path = slash === -1 ? "" : bare.slice(slash + 1);
  // Docker Hub's key has the path of its API's first version.
  return { host: host === "index.docker.io" ? "docker.io" : host, path: /^v[12]$/.test(path) ? "" : path };
}

/** A `*` stands for characters of one part between dots. */
function hostMatches(pattern: string, registry: string): boolean {
  const parts = pattern.split(".");
  const wanted = registry.split(".");
  return (
    parts.length === wanted.length &&
    parts.every((part, index) => {
      const [head = "", ...rest] = part.split("*");
      const text = wanted[index] ?? "";
      if (rest.length === 0) return part === text;
      const tail = rest.at(-1) ?? "";
      return text.length >= head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
    })
  );
}

function pathMatches(path: string, repository: string): boolean {
  return path === "" || repository === path || repository.startsWith(`${path}/`);
}

function decodeBase64(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0)));
  } catch {
    return "";
  }
}

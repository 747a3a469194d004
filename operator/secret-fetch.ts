/** Resolves a source that takes a tenant's Secret to read: by a pod in the tenant's namespace, whose word is checked with the store. */
import { z } from "zod";
import { fetchVariables, tenantRanges, type FetchDocument } from "../crds/wire/fetch.ts";
import type { PackageErrorCode, ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import { secretsDirectory, type SecretVariable } from "./fetch-pod.ts";
import type { FetchPods } from "./fetch-pods.ts";
import { packageErrors, type SourceSecret } from "./package-source.ts";
import type { PackageStoreClient } from "./package-store.ts";

export interface SecretFetchOptions {
  readonly store: PackageStoreClient;
  readonly pods: Pick<FetchPods, "run">;
  /** The store's own rules for urls. */
  readonly network: { readonly allowedCIDRs: readonly string[]; readonly deniedCIDRs: readonly string[] };
  readonly registries: RegistrySettings;
}

/** How pods that fetch speak to registries. */
export interface RegistrySettings {
  /** `host` or `host:port`: without TLS. */
  readonly plainHttpHosts: readonly string[];
  /** Certificates (PEM) of authorities that are trusted beside the public ones, as they stand now; empty: none. */
  readonly caBundle: () => string;
}

export interface FetchSecret {
  readonly reference: SourceSecret;
  /** The Function or Layer whose source it is. */
  readonly owner: Stored;
}

export interface SecretFetch {
  resolve(request: ResolveRequest, secret: FetchSecret, signal: AbortSignal): Promise<ResolveAnswer>;
}

/** A pod's word: whoever may write pods of the namespace can have said it. */
const outcomeSchema = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), digest: z.string(), revision: z.string().max(1024).optional() }),
  z.object({
    ok: z.literal(false),
    error: z.object({
      code: z.string().refine((code): code is PackageErrorCode => Object.hasOwn(packageErrors, code)),
      message: z.string().max(4096),
      retryAfterMs: z.number().min(0).max(3_600_000).optional(),
    }),
  }),
]);

type Outcome = z.output<typeof outcomeSchema>;

/** Of 250 MB from a slow server. */
const deadlineSeconds = 900;
export function createSecretFetch({ store, pods, network, registries }: SecretFetchOptions): SecretFetch {
  return {
    async resolve(request, { reference, owner }, signal) {
      const { source, known, namespace, use } = request;
      if (source.type !== "s3" && source.type !== "url" && source.type !== "oci")
        throw new TypeError(`No Secret reads a source "${source.type}"`);
      const isNeighbour = source.type !== "url";
      const document: FetchDocument = {
        source,
        network: {
          allowedCIDRs: [
            ...network.allowedCIDRs, // A bucket or a registry is often a neighbour in the cluster.
            ...(isNeighbour ? tenantRanges : []),
          ],
          deniedCIDRs: [...network.deniedCIDRs],
        },
        ...(source.type === "oci" && { plainHttpHosts: [...registries.plainHttpHosts] }),
        secret: reference.name,
        ...(known !== undefined && { known }),
      };
      const end = await pods.run(
        {
          owner,
          variables: {
            [fetchVariables.document]: JSON.stringify(document),
            ...registryVariables(reference, registries),
          },
          secretVariables: variablesOf(reference),
          secretFiles: reference.type === "oci" ? [reference.name] : [],
          ...{ sendsPackage: true, deadlineSeconds },
        },
        signal,
      );
      if (end.type === "failed") return failed(`Cannot fetch with Secret "${reference.name}": ${end.message}`);
      const outcome = parseOutcome(end.message);
      if (outcome === undefined)
        return failed(`Cannot fetch with Secret "${reference.name}": its pod said nothing of use`);
      if (!outcome.ok) return toFailure(outcome.error);
      const { digest, revision } = outcome;
      const answer = await store.resolve({ namespace, use, source: { type: "digest", digest } }, signal);
      if (!answer.ok || revision === undefined) return answer;
      return { ok: true, package: { ...answer.package, revision } };
    },
  };
}

function toFailure({ code, message, retryAfterMs }: (Outcome & { readonly ok: false })["error"]): ResolveAnswer {
  return { ok: false, error: { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) } };
}

function registryVariables(reference: SourceSecret, { caBundle }: RegistrySettings): Record<string, string> {
  if (reference.type !== "oci") return {};
  const pem = caBundle();
  return {
    [fetchVariables.secretsDirectory]: secretsDirectory,
    ...(pem !== "" && { [fetchVariables.registryCaBundle]: pem }),
  };
}

function failed(message: string): ResolveAnswer {
  return { ok: false, error: { code: "FetchFailed", message } };
}

function variablesOf(reference: SourceSecret): readonly SecretVariable[] {
  const { name: secret } = reference;
  // Mounted as a file.
  if (reference.type === "oci") return [];
  if (reference.type === "url") return [{ variable: fetchVariables.authorization, secret, key: reference.key }];
  const { accessKeyId, secretAccessKey, sessionToken } = fetchVariables;
  return [accessKeyId, secretAccessKey, sessionToken].map((variable) => ({ variable, secret, key: variable }));
}

function parseOutcome(message: string): Outcome | undefined {
  try {
    const parsed = outcomeSchema.safeParse(JSON.parse(message));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

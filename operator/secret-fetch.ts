/** Resolves a source that takes a tenant's Secret to read: by a pod in the tenant's namespace, whose word is checked with the store. */
import { z } from "zod";
import { fetchVariables, type FetchDocument } from "../crds/wire/fetch.ts";
import type { PackageErrorCode, ResolveAnswer, ResolveRequest } from "../crds/wire/packages.ts";
import type { Stored } from "../lib/kubernetes/object.ts";
import type { SecretVariable } from "./fetch-pod.ts";
import type { FetchPods } from "./fetch-pods.ts";
import { packageErrors, type SourceSecret } from "./package-source.ts";
import type { PackageStoreClient } from "./package-store.ts";

export interface SecretFetchOptions {
  readonly store: PackageStoreClient;
  readonly pods: Pick<FetchPods, "run">;
  /** The store's own rules for urls. */
  readonly network: { readonly allowedCIDRs: readonly string[]; readonly deniedCIDRs: readonly string[] };
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
    }),
  }),
]);

/** Of 250 MB from a slow server. */
const deadlineSeconds = 900;
/** Ranges that pods of a tenant reach anyway, as far as NetworkPolicies let them: a bucket is often a neighbour in the cluster. */
const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

export function createSecretFetch({ store, pods, network }: SecretFetchOptions): SecretFetch {
  return {
    async resolve(request, { reference, owner }, signal) {
      const { source, known, namespace, use } = request;
      if (source.type !== "s3" && source.type !== "url")
        throw new TypeError(`No Secret reads a source "${source.type}"`);
      const isBucket = source.type === "s3";
      const document: FetchDocument = {
        source,
        network: {
          allowedCIDRs: [...network.allowedCIDRs, ...(isBucket ? privateRanges : [])],
          deniedCIDRs: [...network.deniedCIDRs],
        },
        secret: reference.name,
        ...(known !== undefined && { known }),
      };
      const end = await pods.run(
        {
          owner,
          variables: { [fetchVariables.document]: JSON.stringify(document) },
          secretVariables: variablesOf(reference),
          ...{ sendsPackage: true, deadlineSeconds },
        },
        signal,
      );
      if (end.type === "failed") return failed(`Cannot fetch with Secret "${reference.name}": ${end.message}`);
      const outcome = parseOutcome(end.message);
      if (outcome === undefined)
        return failed(`Cannot fetch with Secret "${reference.name}": its pod said nothing of use`);
      if (!outcome.ok) return outcome;
      const { digest, revision } = outcome;
      const answer = await store.resolve({ namespace, use, source: { type: "digest", digest } }, signal);
      if (!answer.ok || revision === undefined) return answer;
      return { ok: true, package: { ...answer.package, revision } };
    },
  };
}

function failed(message: string): ResolveAnswer {
  return { ok: false, error: { code: "FetchFailed", message } };
}

function variablesOf(reference: SourceSecret): readonly SecretVariable[] {
  const { name: secret } = reference;
  if (reference.type === "url") return [{ variable: fetchVariables.authorization, secret, key: reference.key }];
  const { accessKeyId, secretAccessKey, sessionToken } = fetchVariables;
  return [accessKeyId, secretAccessKey, sessionToken].map((variable) => ({ variable, secret, key: variable }));
}

function parseOutcome(message: string): z.output<typeof outcomeSchema> | undefined {
  try {
    const parsed = outcomeSchema.safeParse(JSON.parse(message));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

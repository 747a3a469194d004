/** Reads images with the pull secrets of their namespaces, in pods that the kubelet gives them to; no process of ours sees them. */
import {
  imageAnswerSchema,
  imageFetchVariables,
  type ImageAnswer,
  type ResolveImageRequest,
} from "../../crds/wire/images.ts";
import type { FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { KubernetesClient } from "../../lib/kubernetes/client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { isKubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import { secretsDirectory } from "../fetch-pod.ts";
import type { FetchPods } from "../fetch-pods.ts";

export interface ImageFetchOptions {
  readonly client: KubernetesClient;
  readonly pods: Pick<FetchPods, "run">;
  /** Registries (`host` or `host:port`, with commas) that pods speak plain HTTP to. */
  readonly plainHttpHosts: string;
  /** Certificates (PEM) of authorities that are trusted beside the public ones, as they stand now; empty: none. */
  readonly caBundle: () => string;
}

const deadlineSeconds = 120;

export class ImageFetch {
  readonly #options: ImageFetchOptions;

  constructor(options: ImageFetchOptions) {
    this.#options = options;
  }

  /** Names of the Secrets that a pod of the function is pulled with: its own, else those of its ServiceAccount, as Kubernetes has it. */
  async pullSecrets({ metadata, spec }: FunctionObject, signal: AbortSignal): Promise<readonly string[]> {
    const own = (spec.podTemplate?.spec?.imagePullSecrets ?? []).map(({ name }) => name);
    if (own.length > 0) return own;
    const name = spec.serviceAccountName ?? "default";
    try {
      const ref = { kind: kinds.serviceAccount, namespace: metadata.namespace ?? "", name };
      const account = (await this.#options.client.get(ref, { signal })) as { readonly imagePullSecrets?: unknown };
      return namesOf(account.imagePullSecrets);
    } catch (error) {
      if (isKubernetesError(error, "NotFound")) return [];
      throw error;
    }
  }

  async lookUp(
    object: Stored<FunctionObject>,
    request: ResolveImageRequest,
    { secrets, signal }: { readonly secrets: readonly string[]; readonly signal: AbortSignal },
  ): Promise<ImageAnswer> {
    const { pods, plainHttpHosts, caBundle } = this.#options;
    const pem = caBundle();
    const variables = {
      [imageFetchVariables.request]: JSON.stringify(request),
      [imageFetchVariables.secretsDirectory]: secretsDirectory,
      [imageFetchVariables.plainHttpHosts]: plainHttpHosts,
      ...(pem !== "" && { [imageFetchVariables.registryCaBundle]: pem }),
    };
    const { podTemplate } = object.spec;
    const end = await pods.run(
      { owner: object, variables, secretFiles: secrets, sendsPackage: false, deadlineSeconds, podTemplate },
      signal,
    );
    if (end.type === "failed") return fetchFailed(request.image, end.message);
    return parseAnswer(end.message) ?? fetchFailed(request.image, "its pod ended with exit code 0 and no answer");
  }
}

function fetchFailed(image: string, why: string): ImageAnswer {
  const message = `Cannot read image "${image}" with the pull secrets of its namespace: ${why}`.slice(0, 2000);
  return { outcome: "failed", code: "FetchFailed", message };
}

function parseAnswer(message: string): ImageAnswer | undefined {
  try {
    return imageAnswerSchema.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

function namesOf(secrets: unknown): readonly string[] {
  if (!Array.isArray(secrets)) return [];
  return secrets.map((secret) => (secret as { readonly name?: string }).name ?? "").filter((name) => name !== "");
}

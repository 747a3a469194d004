import { backoffMs, type BackoffPolicy } from "../../../lib/backoff.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { ImageAnswer, ResolvedImage, ResolveImageRequest } from "../../../crds/wire/images.ts";
import type { FunctionObject } from "../../../crds/v1alpha1/function.ts";
import type { Stored } from "../../../lib/kubernetes/object.ts";
import { ConcurrencyLimit } from "../../../lib/concurrency-limit.ts";
import { Asked } from "./asked.ts";
import type { PackageSeen } from "../../package-source.ts";
import { imageErrors, imagePackage, type TagSeen } from "./image-code.ts";

/** Looks an image up for a function, with its pull secrets where it takes some; rejects when nobody answers. */
export type AskForImage = (
  object: Stored<FunctionObject>,
  request: ResolveImageRequest,
  signal: AbortSignal,
) => Promise<Asking>;

export interface Asking {
  readonly answer: ImageAnswer;
  /** It took a pod, which is not made every few minutes for every function. */
  readonly byPod: boolean;
}

export interface ImageResolverOptions {
  readonly ask: AskForImage;
  readonly clock: Clock;
  readonly draw: () => number;
  /** Between two looks at a tag; twelve times that where a look takes a pod. */
  readonly recheckMs: number;
  /** An answer is there: look at the Function `key`. */
  readonly onChange: (key: string) => void;
  readonly onError: (error: unknown) => void;
}

export interface WantedImage {
  readonly object: Stored<FunctionObject>;
  /** Of image and architecture: another hash is another question. */
  readonly sourceHash: string;
}

const requestsAtOnce = 8;
const podRecheckFactor = 12;
const backoff: BackoffPolicy = { initialMs: 2000, maxMs: 120_000, factor: 2, jitter: 0.2 };

/** Has every function's image resolved once, and its tag looked at now and then. Never makes its caller wait. */
export class ImageResolver {
  readonly #options: ImageResolverOptions;
  readonly #resolutions: Asked<Asking>;
  readonly #tags: Asked<Asking>;
  readonly #requests = new ConcurrencyLimit(requestsAtOnce);
  readonly #ending = new AbortController();

  constructor(options: ImageResolverOptions) {
    this.#options = options;
    const onAnswer = (key: string): void => {
      if (!this.#ending.signal.aborted) options.onChange(key);
    };
    this.#resolutions = new Asked(options.clock, onAnswer);
    this.#tags = new Asked(options.clock, onAnswer);
  }

  /** What is known by now of an image that has not been resolved before; asks where nothing is. */
  look(key: string, wanted: WantedImage): { readonly code: PackageSeen; readonly image?: ResolvedImage } {
    const { answer: known, againAfterMs } = this.#resolutions.look(key, {
      // Another pull secret is another try.
      id: `${wanted.sourceHash} ${JSON.stringify(pullSecretsOf(wanted.object))}`,
      ask: () => this.#ask(wanted, undefined),
      againAfterMs: (given, failures) => this.#retryAfterMs(given, failures),
      isFailure,
    });
    const answer = known?.answer;
    if (answer === undefined || answer.outcome === "unchanged") return { code: { type: "resolving" } };
    if (answer.outcome === "resolved") {
      const { image } = answer;
      return { code: { type: "resolved", sourceHash: wanted.sourceHash, package: imagePackage(image) }, image };
    }
    const { reason, isRetried } = imageErrors[answer.code];
    const { message } = answer;
    if (!isRetried) return { code: { type: "refused", reason, message } };
    const retryAfterMs = Math.min(backoff.maxMs, Math.max(1000, againAfterMs));
    return { code: { type: "retrying", reason, message, retryAfterMs } };
  }

  /** What the tag of a resolved image names; undefined while nothing is known, or when it has no tag. */
  lookAtTag(key: string, wanted: WantedImage, image: ResolvedImage): { tag?: TagSeen; againAfterMs?: number } {
    if (image.tag === undefined) return {};
    const { recheckMs, draw } = this.#options;
    const known = this.#tags.look(key, {
      id: `${wanted.sourceHash} ${image.namedDigest}`,
      ask: () => this.#ask(wanted, image.namedDigest),
      againAfterMs: ({ byPod }) => (byPod ? recheckMs * podRecheckFactor : recheckMs),
      isFailure,
      // After a restart not all at once.
      firstAfterMs: recheckMs * (0.5 + draw() / 2),
    });
    const tag = known.answer === undefined ? undefined : tagSeen(known.answer.answer, image);
    const againAfterMs = Math.min(recheckMs, Math.max(1000, known.againAfterMs));
    return { ...(tag !== undefined && { tag }), againAfterMs };
  }

  /** The Function is gone, or its code is no image. */
  forget(key: string): void {
    this.#resolutions.forget(key);
    this.#tags.forget(key);
  }

  stop(): void {
    this.#ending.abort(new Error("The operator is stopping"));
  }

  #retryAfterMs({ answer }: Asking, failures: number): number {
    const isRetried = answer.outcome === "failed" && imageErrors[answer.code].isRetried;
    return isRetried ? backoffMs(backoff, failures, this.#options.draw()) : Infinity;
  }

  async #ask({ object }: WantedImage, knownDigest: string | undefined): Promise<Asking> {
    const { spec, metadata } = object;
    const request: ResolveImageRequest = {
      namespace: metadata.namespace ?? "",
      image: spec.code.imageURI ?? "",
      architecture: spec.architectures[0] ?? "x86_64",
      ...(knownDigest !== undefined && { knownDigest }),
    };
    try {
      return await this.#requests.run(() => this.#options.ask(object, request, this.#ending.signal));
    } catch (error) {
      this.#options.onError(error);
      const message = `Cannot resolve image "${request.image}": the package store does not answer; trying again`;
      return { answer: { outcome: "failed", code: "StoreUnavailable", message }, byPod: false };
    }
  }
}

/** Names of the Secrets that the function itself gives for pulling. */
export function pullSecretsOf({ spec }: FunctionObject): readonly string[] {
  return (spec.podTemplate?.spec?.imagePullSecrets ?? []).map(({ name }) => name);
}

function isFailure({ answer }: Asking): boolean {
  return answer.outcome === "failed";
}

function tagSeen(answer: ImageAnswer, image: ResolvedImage): TagSeen {
  switch (answer.outcome) {
    case "unchanged":
      return { type: "current" };
    case "resolved":
      // An index may get new members while ours stays.
      return answer.image.digest === image.digest
        ? { type: "current" }
        : { type: "moved", digest: answer.image.digest };
    case "failed":
      return { type: "unknown", reason: imageErrors[answer.code].reason, message: answer.message };
  }
}

import { backoffMs, type BackoffPolicy } from "../../../lib/backoff.ts";
import type { Clock } from "../../../lib/clock.ts";
import type { ImageAnswer, ResolveImageRequest } from "../../../crds/wire/images.ts";
import { Asked } from "./asked.ts";
import { imageErrors } from "./image-code.ts";
import { isPinnedName, type RuntimeImageSeen } from "./runtime-image.ts";

export interface RuntimeImagesOptions {
  /** Rejects when nobody answers. */
  readonly resolveImage: (request: ResolveImageRequest, signal: AbortSignal) => Promise<ImageAnswer>;
  readonly clock: Clock;
  readonly draw: () => number;
  /** An answer older than that is asked for anew by the next function that is made or changed. */
  readonly freshMs: number;
  /** An answer for this image of the table is there. */
  readonly onChange: (image: string) => void;
  readonly onError: (error: unknown) => void;
}

const backoff: BackoffPolicy = { initialMs: 2000, maxMs: 120_000, factor: 2, jitter: 0.2 };

/** Looks up the digests behind the tags of the chart's table, one question for all functions of a runtime. Never makes its caller wait. */
export class RuntimeImages {
  readonly #options: RuntimeImagesOptions;
  readonly #answers: Asked<ImageAnswer>;
  readonly #ending = new AbortController();

  constructor(options: RuntimeImagesOptions) {
    this.#options = options;
    this.#answers = new Asked(options.clock, (key) => {
      if (!this.#ending.signal.aborted) options.onChange(key.slice(0, key.indexOf(" ")));
    });
  }

  look(image: string, architecture: ResolveImageRequest["architecture"]): RuntimeImageSeen {
    if (isPinnedName(image)) return { type: "asNamed" };
    const { freshMs, draw } = this.#options;
    const { answer, againAfterMs } = this.#answers.look(`${image} ${architecture}`, {
      id: image,
      ask: () => this.#ask({ namespace: "", image, architecture }),
      againAfterMs: (given, failures) => (isFailure(given) ? backoffMs(backoff, failures, draw()) : freshMs),
      isFailure,
    });
    // What was found long ago is no answer for a function that is made now.
    const isStale = againAfterMs === Infinity && answer !== undefined && !isFailure(answer);
    if (answer === undefined || isStale) return { type: "asking" };
    if (answer.outcome === "resolved") return { type: "resolved", reference: answer.image.reference };
    if (answer.outcome === "unchanged") return { type: "asking" };
    const retryAfterMs = Math.min(backoff.maxMs, Math.max(1000, againAfterMs));
    return { type: "failed", reason: imageErrors[answer.code].reason, message: answer.message, retryAfterMs };
  }

  stop(): void {
    this.#ending.abort();
  }

  async #ask(request: ResolveImageRequest): Promise<ImageAnswer> {
    try {
      return await this.#options.resolveImage(request, this.#ending.signal);
    } catch (error) {
      if (!this.#ending.signal.aborted) this.#options.onError(error);
      const message = `Cannot look up image "${request.image}": the package store does not answer`;
      return { outcome: "failed", code: "StoreUnavailable", message };
    }
  }
}

function isFailure({ outcome }: ImageAnswer): boolean {
  return outcome === "failed";
}

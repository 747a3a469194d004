import type { ImageAnswer, ResolveImageRequest } from "../../crds/wire/images.ts";
import { ConcurrencyLimit } from "../../lib/concurrency-limit.ts";
import { lookUpImage, type ImageResolverOptions } from "../registry/image-resolver.ts";

export interface ImageLookupsOptions {
  /** Asked for each image: what it says may change. */
  readonly registries: () => ImageResolverOptions;
  /** Images that are looked up at once; the others wait. */
  readonly atOnce: number;
}

/** Looks images up without credentials: equal questions that meet are asked once. */
export class ImageLookups {
  readonly #registries: () => ImageResolverOptions;
  readonly #limit: ConcurrencyLimit;
  readonly #running = new Map<string, Promise<ImageAnswer>>();

  constructor({ registries, atOnce }: ImageLookupsOptions) {
    this.#registries = registries;
    this.#limit = new ConcurrencyLimit(atOnce);
  }

  async lookUp({ image, architecture, knownDigest }: ResolveImageRequest): Promise<ImageAnswer> {
    const key = JSON.stringify([image, architecture, knownDigest]);
    const running = this.#running.get(key);
    if (running !== undefined) return await running;
    const lookup = { image, architecture, ...(knownDigest !== undefined && { knownDigest }) };
    const started = this.#limit.run(() => lookUpImage(lookup, this.#registries()));
    this.#running.set(key, started);
    try {
      return await started;
    } finally {
      this.#running.delete(key);
    }
  }
}

import { join, resolve } from "node:path";

/** The repository's root. */
export const repositoryRoot = resolve(import.meta.dirname, "../..");

/** The folder of this cluster's sources. */
export const clusterSources = import.meta.dirname;

/** What is built, extracted or run here; git ignores it, and removing it costs only time (after `down`). */
export const cacheDir = join(repositoryRoot, ".cache");

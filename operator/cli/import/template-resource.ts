import type { Draft } from "./found.ts";

/** One resource of a template. */
export interface Resource {
  readonly id: string;
  readonly type: string;
  /** Resolved; with an Unresolved where a value is not known. */
  readonly properties: Draft;
  readonly metadata: Draft;
}

/** What reading one resource takes beside it. */
export interface ResourceContext {
  /** Of the template. */
  readonly directory: string;
  readonly resources: readonly Resource[];
}

import type { FunctionURLConfig } from "../../crds/v1alpha1/invoke-config.ts";
import type { FunctionFacts } from "./function-facts.ts";

/** What stands behind one function URL. */
export interface FunctionUrl {
  readonly id: string;
  /** $LATEST of its function. */
  readonly latest: FunctionFacts;
  /** Absent: $LATEST is what runs. */
  readonly aliasName?: string;
  readonly config: FunctionURLConfig;
}

/** Function URLs as Kubernetes says they are. */
export interface FunctionUrlDirectory {
  findUrl(id: string): FunctionUrl | undefined;
  /** Whether an alias had this URL and is gone, as far as is known: Lambda answers otherwise there than for a URL that never was. */
  hadAlias(id: string): boolean;
}

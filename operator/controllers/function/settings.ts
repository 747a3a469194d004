import type { FunctionUrlOwner } from "../../../crds/function-url.ts";
import type { S3Defaults } from "../../package-source.ts";
import type { RuntimeTable } from "./runtime-table.ts";

/** Of the installation: the same for all functions. */
export interface FunctionSettings {
  readonly region: string;
  readonly urlOf: (owner: FunctionUrlOwner) => string;
  readonly runtimes: RuntimeTable;
  /** For what a spec does not say of its bucket. */
  readonly s3: S3Defaults;
  readonly routerKeys: readonly string[];
  /** Between invocations the supervisors stop the processes. */
  readonly stopsBetweenInvocations: boolean;
  /** Of a streamed response after its first 6 MiB; 0: no limit. */
  readonly streamBytesPerSecond: number;
  /** Whether functions that can run in generic pods do; absent where there are no containers. */
  readonly genericPods?: boolean | undefined;
  /** The cluster limits the memory of a whole pod. */
  readonly hasPodResources: boolean;
}

import type { FunctionLoad } from "../../crds/wire/load-report.ts";
import type { ThrottleReason } from "../domain/admission.ts";
import type { UseEnd } from "../domain/environment.ts";
import type { AcquireRefusal } from "../environments/environment-pool.ts";

/** `spilled`: on demand, though environments are kept ready for the version. */
export type ProvisionedUse = "used" | "spilled";

/** `noOwner`: no replica that decides the account's calls has said anything in time. */
export type PlacementRefusal = AcquireRefusal | "noOwner";

/** What the owner of an account decides of one call. */
export type Placement =
  | {
      readonly kind: "granted";
      readonly podUid: string;
      /** `host:port` of its agent. */
      readonly address: string;
      /** For the agent, as in `GRANT_HEADER`. */
      readonly grant: string;
      /** Absent: nothing is kept ready for the version. */
      readonly provisioned?: ProvisionedUse | undefined;
      /** So many further calls of the version may run there, one after another, each by the next number. Default 0. */
      readonly further?: number | undefined;
    }
  | { readonly kind: "throttled"; readonly reason: ThrottleReason }
  | {
      readonly kind: "refused";
      readonly refusal: PlacementRefusal;
      /** Why environments do not come up, as callers saw it. */
      readonly failure?: FunctionLoad["failure"];
      /** It had been let in to wait when its account moved. */
      readonly hasWaited?: boolean;
    };

/** One call that wants to run. */
export interface CallOrder {
  /** The account. */
  readonly namespace: string;
  readonly functionUid: string;
  /** `$LATEST` or a number. */
  readonly version: string;
  /** End of all waiting, on the monotonic clock. */
  readonly deadlineMs: number;
  /** A former owner had let it in to wait: what it takes has been counted. */
  readonly hasWaited?: boolean;
}

/** One call at the owner of its account, wherever that is. */
export interface CallTicket {
  /** Admission and an environment; asked again after an environment did not take the call, another environment. */
  place(): Placement | Promise<Placement>;
  /** How the environment's use has ended. */
  giveBack(end: UseEnd): void;
  /** The call has come to its end. Its slot is free when this is done: whoever has an answer can call again. */
  close(): void | Promise<void>;
}

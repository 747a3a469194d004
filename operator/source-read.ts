import type { SourceRead } from "../crds/v1alpha1/source-read.ts";
import type { PackageFacts, PackageSeen } from "./package-source.ts";

/** What a status says of a source that may change, so that the next process need not read its bytes again; before it is known anew, what was said. Pure. */
export function sourceRead(seen: PackageSeen, before: SourceRead | undefined): { readonly source?: SourceRead } {
  if (seen.type !== "resolved") return before === undefined ? {} : { source: before };
  const { digest, revision } = seen.package;
  if (seen.recheck === undefined || revision === undefined) return {};
  return { source: { digest, revision } };
}

/** What was kept, with what its source called it, if that is known of these bytes. Pure. */
export function withRevision<T extends PackageFacts>(kept: T | undefined, read: SourceRead | undefined): T | undefined {
  return kept === undefined || read?.digest !== kept.digest ? kept : { ...kept, revision: read.revision };
}

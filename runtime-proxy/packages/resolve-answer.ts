/** What a source was resolved to, as the store answers it. */
import type { ResolveAnswer, ResolvedPackage } from "../../crds/wire/packages.ts";
import { BucketError } from "./bucket.ts";
import { PackageError } from "./package-error.ts";
import type { PackagesLog } from "./server-log.ts";

/** Never rejects; what is no PackageError is logged and answered without its detail. */
export async function answerOf(resolved: Promise<ResolvedPackage>, log: PackagesLog): Promise<ResolveAnswer> {
  return await resolved.then(
    (found): ResolveAnswer => ({ ok: true, package: found }),
    (error: unknown) => toAnswer(error, log),
  );
}

function toAnswer(error: unknown, log: PackagesLog): ResolveAnswer {
  if (error instanceof PackageError) {
    const { code, message, entry, retryAfterMs } = error;
    const more = { ...(entry !== undefined && { entry }), ...(retryAfterMs !== undefined && { retryAfterMs }) };
    return { ok: false, error: { code, message, ...more } };
  }
  log.error("Cannot store a package", { error: error instanceof Error ? error.stack : String(error) });
  if (error instanceof BucketError) return { ok: false, error: { code: "StoreUnavailable", message: error.message } };
  const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return {
    ok: false,
    error: { code: "StoreUnavailable", message: `Cannot store the package: the store's volume failed${code}` },
  };
}

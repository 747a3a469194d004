/** Access keys as they are kept: one Secret of the install namespace, which the router may read by its name and the command line writes. */
import { z } from "zod";

/** `type` of the Secret. */
export const ACCESS_KEYS_TYPE = "kubelambda.dev/access-keys";

/** Most keys of an installation: a Secret holds 1 MiB. */
export const MOST_ACCESS_KEYS = 2000;

/** Under an access key id, as JSON. */
export const accessKeySchema = z.object({
  secretAccessKey: z.string().min(16).max(128),
  /** `<namespace>/<name>`: who signs with the key is this account. */
  serviceAccount: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/),
  /** RFC 3339. */
  createdAt: z.string().max(64).optional(),
  description: z.string().max(256).optional(),
});
export type AccessKey = z.infer<typeof accessKeySchema>;

/** Of AWS's form, so that what checks for it is content, and with a beginning of its own. Source: IAM user guide, unique identifiers. */
export const accessKeyIdPattern = /^[A-Z0-9]{16,128}$/;
export const ACCESS_KEY_PREFIX = "KLAK";
/** Of the short-lived credentials of functions. */
export const FUNCTION_KEY_PREFIX = "KLSK";

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** An id of 20 characters, as AWS's have, from 16 bytes. */
export function formatAccessKeyId(prefix: string, bytes: Uint8Array): string {
  return prefix + [...bytes].map((byte) => base32[byte & 31] ?? "").join("");
}

export type AccessKeyRead =
  { readonly ok: true; readonly key: AccessKey } | { readonly ok: false; readonly problem: string };

/** One entry of the Secret, decoded; the problem repeats no value. */
export function readAccessKey(accessKeyId: string, json: string): AccessKeyRead {
  if (!accessKeyIdPattern.test(accessKeyId)) {
    return { ok: false, problem: "an access key id has 16 to 128 characters of A-Z and 0-9" };
  }
  try {
    const parsed = accessKeySchema.safeParse(JSON.parse(json));
    if (parsed.success) return { ok: true, key: parsed.data };
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    return { ok: false, problem: problems.join("; ") };
  } catch {
    return { ok: false, problem: "the value is no JSON" };
  }
}

/**
 * Removes from a bucket what nobody needs, while others commit and grant. Who removes says so first (`deleting/…`) and then looks
 * at the grants again; who grants writes the grant first and then looks whether somebody removes: one of the two sees the other.
 * Content goes before metadata, so that metadata alone never promises anything to who commits meanwhile.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Bucket, BucketObject } from "./bucket.ts";
import { hexOfDigest } from "./digest.ts";
import { findMissing } from "./missing.ts";
import type { CollectReport } from "./store.ts";

const digits = 15;
export const keys = {
  content: (hex: string): string => `objects/${hex}.zip`,
  metadata: (hex: string): string => `objects/${hex}.json`,
  grants: (hex: string, namespace: string): string => `grants/${hex}/${namespace}/`,
  grant: (hex: string, namespace: string, atMs: number, id: string): string =>
    `grants/${hex}/${namespace}/${String(Math.floor(atMs)).padStart(digits, "0")}-${id}`,
  removals: (hex: string): string => `deleting/${hex}/`,
} as const;

export interface CollectOptions {
  readonly bucket: Bucket;
  /** Milliseconds that only rise. */
  readonly elapsedMs: () => number;
  readonly references: ReadonlyMap<string, ReadonlySet<string>>;
  readonly graceMs: number;
  readonly nowMs: number;
  /** It is about to be removed. */
  readonly forget: (hex: string) => Promise<void>;
}

interface Grant {
  readonly key: string;
  readonly namespace: string;
  readonly atMs: number;
}

/** Who removes and has not ended by then stops: its announcement counts no longer after `staleMs`. */
const removeWithinMs = 60_000;
const staleMs = 900_000;

export async function collectBucket(options: CollectOptions): Promise<CollectReport> {
  const { bucket } = options;
  const objects = await bucket.list("objects/");
  const grantsByHex = groupGrants(await bucket.list("grants/"));
  await removeStale(options);
  const report = { removed: 0, removedBytes: 0, kept: 0 };
  const hexes = new Set([...objects.flatMap(({ key }) => hexOf(key) ?? []), ...grantsByHex.keys()]);
  for (const hex of hexes) {
    const own = objects.filter(({ key }) => hexOf(key) === hex);
    const bytes = await collectOne(options, hex, own, grantsByHex.get(hex) ?? []);
    if (bytes === undefined) report.kept++;
    // Rests of what was half removed or half written are nobody's package.
    else if (own.some(({ key }) => key === keys.metadata(hex))) report.removed++;
    report.removedBytes += bytes ?? 0;
  }
  const whole = new Set(objects.map(({ key }) => key));
  const isReadable = (digest: string, namespace: string): boolean => {
    const hex = hexOfDigest(digest) ?? "";
    const isThere = whole.has(keys.content(hex)) && whole.has(keys.metadata(hex));
    return isThere && grantsByHex.get(hex)?.some((grant) => grant.namespace === namespace) === true;
  };
  return { ...report, missing: findMissing(options.references, isReadable) };
}

/** Bytes removed; undefined when it stays. */
async function collectOne(
  options: CollectOptions,
  hex: string,
  objects: readonly BucketObject[],
  grants: readonly Grant[],
): Promise<number | undefined> {
  const { bucket, graceMs, nowMs } = options;
  const needed = grants.filter((grant) => isNeeded(options, hex, grant));
  const isNew = needed.length === 0 && objects.some(({ modifiedAtMs }) => modifiedAtMs > nowMs - graceMs);
  const removed = needed.length > 0 || isNew ? false : await removeAll(options, hex);
  // Each grant is an object of its own: a new one of the same namespace is none of these.
  const outdated = grants.filter((grant) => removed || !isNewest(grant, needed));
  if (!isNew) for (const { key } of outdated) await bucket.remove(key);
  if (!removed) return undefined;
  return objects.find(({ key }) => key === keys.content(hex))?.bytes ?? 0;
}

async function removeAll(options: CollectOptions, hex: string): Promise<boolean> {
  const { bucket, elapsedMs, forget } = options;
  const startedMs = elapsedMs();
  const isLate = (): boolean => elapsedMs() - startedMs > removeWithinMs;
  const announcement = `${keys.removals(hex)}${randomUUID()}`;
  await bucket.put(announcement, { bytes: 0, sha256: emptySha256, open: () => Buffer.alloc(0) });
  try {
    const grants = parseGrants(await bucket.list(`grants/${hex}/`));
    if (isLate() || grants.some((grant) => isNeeded(options, hex, grant))) return false;
    await forget(hex);
    await bucket.remove(keys.content(hex));
    if (isLate()) return false;
    await bucket.remove(keys.metadata(hex));
    return true;
  } finally {
    await bucket.remove(announcement);
  }
}

/** Of processes that were killed while they removed: what they left is looked at like everything else. */
async function removeStale({ bucket }: CollectOptions): Promise<void> {
  const announced = await bucket.list("deleting/");
  const newestMs = Math.max(0, ...announced.map(({ modifiedAtMs }) => modifiedAtMs));
  const nowMs = Math.max(newestMs, Date.now());
  for (const { key, modifiedAtMs } of announced) if (modifiedAtMs < nowMs - staleMs) await bucket.remove(key);
}

function isNeeded({ references, graceMs, nowMs }: CollectOptions, hex: string, { namespace, atMs }: Grant): boolean {
  return atMs > nowMs - graceMs || references.get(namespace)?.has(`sha256:${hex}`) === true;
}

function isNewest(grant: Grant, needed: readonly Grant[]): boolean {
  const ofNamespace = needed.filter(({ namespace }) => namespace === grant.namespace);
  return ofNamespace.length > 0 && ofNamespace.every(({ key }) => key <= grant.key);
}

function groupGrants(objects: readonly BucketObject[]): Map<string, Grant[]> {
  const byHex = new Map<string, Grant[]>();
  for (const object of objects) {
    const hex = /^grants\/([0-9a-f]{64})\//.exec(object.key)?.[1];
    if (hex !== undefined) byHex.set(hex, [...(byHex.get(hex) ?? []), ...parseGrants([object])]);
  }
  return byHex;
}

function parseGrants(objects: readonly BucketObject[]): Grant[] {
  return objects.flatMap(({ key }) => {
    const [, namespace, at] = /^grants\/[0-9a-f]{64}\/([^/]+)\/(\d+)-[^/]+$/.exec(key) ?? [];
    return namespace === undefined ? [] : [{ key, namespace, atMs: Number(at) }];
  });
}

function hexOf(key: string): string | undefined {
  return /^objects\/([0-9a-f]{64})\.(?:zip|json)$/.exec(key)?.[1];
}

const emptySha256 = createHash("sha256").digest("hex");

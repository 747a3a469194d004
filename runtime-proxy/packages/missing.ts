const most = 10_000;

/** What is referred to and cannot be read: namespace → digests. */
export function findMissing(
  references: ReadonlyMap<string, ReadonlySet<string>>,
  isReadable: (digest: string, namespace: string) => boolean,
): Record<string, readonly string[]> {
  const missing: Record<string, readonly string[]> = {};
  let found = 0;
  for (const [namespace, digests] of references) {
    const lacking = [...digests].filter((digest) => !isReadable(digest, namespace)).slice(0, most - found);
    if (lacking.length > 0) missing[namespace] = lacking;
    found += lacking.length;
  }
  return missing;
}

/** Which router replica owns which account: the leading operator writes it into one ConfigMap, routers read it there. */
import { z } from "zod";

export const rosterSchema = z.object({
  /** Rises with every change, also when the object was lost meanwhile. */
  epoch: z.number().int().min(1),
  /** The epoch that this one has replaced; 0: none is known. Who has seen it has missed nothing. */
  previous: z.number().int().min(0),
  /** Replicas that may own accounts. */
  replicas: z
    .array(
      z.object({
        podUid: z.string().max(64),
        /** Of the internal port, `host:port`. */
        address: z.string().max(300),
      }),
    )
    .max(1000),
});
export type Roster = z.infer<typeof rosterSchema>;
export type RosterReplica = Roster["replicas"][number];

/** In the install namespace. */
export const ROSTER_NAME = "kubelambda-roster";
/** The key whose value is JSON of `Roster`. */
export const ROSTER_KEY = "roster.json";

/** Undefined: there is none, or nothing that can be read. */
export function parseRoster(data: Readonly<Record<string, string>> | undefined): Roster | undefined {
  try {
    const parsed = rosterSchema.safeParse(JSON.parse(data?.[ROSTER_KEY] ?? ""));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Rendezvous hashing: when a replica comes or goes, only the accounts that it gets or had move. */
export function ownerOf({ replicas }: Pick<Roster, "replicas">, account: string): RosterReplica | undefined {
  let owner: RosterReplica | undefined;
  let highest = -1;
  for (const replica of replicas) {
    const weight = weightOf(`${replica.podUid}/${account}`);
    const isHigher = weight > highest || (weight === highest && replica.podUid < (owner?.podUid ?? ""));
    if (isHigher) [owner, highest] = [replica, weight];
  }
  return owner;
}

/** FNV-1a and the finish of murmur3, which spreads keys that differ in their last letters only. */
function weightOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The roster that follows: its epoch is higher than any before, also when the object was lost (then by the clock, in s). */
export function nextRoster(before: Roster | undefined, replicas: Roster["replicas"], nowS: number): Roster {
  const sorted = [...replicas].sort((a, b) => (a.podUid < b.podUid ? -1 : 1));
  return {
    epoch: Math.max((before?.epoch ?? 0) + 1, Math.floor(nowS)),
    previous: before?.epoch ?? 0,
    replicas: sorted,
  };
}

/** Which router replicas may own accounts, and when the roster changes. */
import type { Roster } from "../../crds/wire/roster.ts";

/** One router's pod. */
export interface RouterSeen {
  readonly podUid: string;
  /** Of its internal port, `host:port`. */
  readonly address: string;
  /** Ready by its kubelet, and not on its way out. */
  readonly isReady: boolean;
  /** Since its last report; undefined: it has sent none to this leader. */
  readonly silentForMs: number | undefined;
}

/** One that this leader knows. */
export interface RouterKnown extends RouterSeen {
  /** Since this leader first saw it ready. */
  readonly readyForMs: number;
}

/** A router that reports once a second and has said nothing for so long is stuck or cut off, whatever its kubelet says. */
export const silentAfterMs = 5000;
/** The same of one that has never reported to this leader, which its Service may lead to it a little later. */
export const unheardAfterMs = 15_000;

/** The replicas of the roster as it should be; undefined: it stands as it is. */
export function decideRoster(
  routers: readonly RouterKnown[],
  current: Roster | undefined,
): Roster["replicas"] | undefined {
  const ready = routers.filter(({ isReady }) => isReady);
  const heard = ready.filter(isHeard);
  // When none is heard it is us who hear nothing; when none is ready, owners that may still work are better than none.
  const chosen = heard.length > 0 ? heard : ready;
  if (chosen.length === 0) return undefined;
  const replicas = chosen
    .map(({ podUid, address }) => ({ podUid, address }))
    .sort((a, b) => (a.podUid < b.podUid ? -1 : 1));
  return JSON.stringify(replicas) === JSON.stringify(current?.replicas) ? undefined : replicas;
}

function isHeard({ silentForMs, readyForMs }: RouterKnown): boolean {
  return silentForMs === undefined ? readyForMs <= unheardAfterMs : silentForMs <= silentAfterMs;
}

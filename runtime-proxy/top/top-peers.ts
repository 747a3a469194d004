import { request } from "undici";
import type { RosterReplica } from "../../crds/wire/roster.ts";
import { routes } from "../../crds/wire/routes.ts";
import { topAnswerSchema, topNamespaceParameter, type TopAnswer, type TopRow } from "../../crds/wire/top.ts";
import { readBody } from "../../lib/http/read-body.ts";
import { mergeTopRows } from "../domain/top-rows.ts";

export interface TopPeersParts {
  /** uid of this replica's pod. */
  readonly replica: string;
  readonly replicas: () => readonly RosterReplica[];
  /** The value of `authorization` for another replica. */
  readonly authorize: (podUid: string) => string;
  readonly ownTable: OwnTable;
}

/** What a replica knows itself. */
export type OwnTable = (namespace: string | undefined) => Promise<readonly TopRow[]>;

const answerLimitMs = 2000;
const longestAnswerBytes = 64 * 1024 * 1024;

/** The table of all replicas together; one that does not answer in time is named. */
export async function topOfAll(parts: TopPeersParts, namespace: string | undefined): Promise<TopAnswer> {
  const others = parts.replicas().filter(({ podUid }) => podUid !== parts.replica);
  const [own, ...tables] = await Promise.all([
    parts.ownTable(namespace),
    ...others.map((replica) => ask(parts, replica, namespace).catch(() => undefined)),
  ]);
  return {
    functions: mergeTopRows([own, ...tables.filter((table) => table !== undefined)]),
    silent: others.filter((_, index) => tables[index] === undefined).map(({ podUid }) => podUid),
  };
}

async function ask(
  { authorize }: TopPeersParts,
  { podUid, address }: RosterReplica,
  namespace: string | undefined,
): Promise<readonly TopRow[]> {
  const { statusCode, body } = await request(`http://${address}${routes.top}`, {
    query: namespace === undefined ? {} : { [topNamespaceParameter]: namespace },
    headers: { authorization: authorize(podUid) },
    signal: AbortSignal.timeout(answerLimitMs),
  });
  const text = (await readBody(body, longestAnswerBytes)).toString("utf8");
  if (statusCode !== 200) throw new Error(`Cannot read the table of replica "${podUid}": it answered ${statusCode}`);
  return topAnswerSchema.parse(JSON.parse(text)).functions;
}

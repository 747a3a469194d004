/**
 * The agents of pods that no kubelet runs, all in one process on one port: a pod that shows as running announces itself to the router, answers
 * claims, and answers calls at once. Argument: FakeAgentsOrder as JSON. Prints `{}` as its first line.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import { ENVIRONMENT_COMPONENT, labels } from "../../crds/names.ts";
import type { EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import { GRANT_HEADER, parseGrant, startPosition, type Position } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import { systemClock } from "../../lib/clock.ts";
import { inClusterAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ApiServerClient } from "../../lib/kubernetes/api-server-client.ts";
import { kinds } from "../../lib/kubernetes/kinds.ts";
import { ObjectCache } from "../../lib/kubernetes/object-cache.ts";
import type { Pod } from "../../operator/pod.ts";

export interface FakeAgentsOrder {
  readonly host: string;
  readonly port: string;
  readonly serviceAccountDir: string;
  readonly namespace: string;
  /** Internal port's. */
  readonly routerUrl: string;
  /** Body of every answer. */
  readonly answer: string;
}

const connectionsToRouter = 32;
const againMs = 200;
const mostTries = 300;

void main(JSON.parse(process.argv[2] ?? "") as FakeAgentsOrder);

async function main({
  host,
  port,
  serviceAccountDir: dir,
  namespace,
  routerUrl,
  answer,
}: FakeAgentsOrder): Promise<void> {
  const positions = new Map<string, Position>();
  const server = createServer((incoming, response) => serve(incoming, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dispatcher = new Agent({ connections: connectionsToRouter });
  const pods = new ObjectCache<Pod>({
    client: new ApiServerClient({ access: await inClusterAccess({ host, port, dir }) }),
    ...{ clock: systemClock, namespace, kind: kinds.pod },
    labelSelector: `${labels.component}=${ENVIRONMENT_COMPONENT}`,
    // An agent watches nothing: it is told of each pod as seldom as it can be.
    fieldSelector: "status.phase=Running",
  });
  pods.onChange(({ type, object }) => {
    const { uid, deletionTimestamp } = object.metadata;
    if (type === "deleted" || deletionTimestamp !== undefined) positions.delete(uid);
    else if (!positions.has(uid)) {
      positions.set(uid, startPosition);
      void announce(uid);
    }
  });
  pods.start();
  await pods.synced();
  process.stdout.write("{}\n");

  function announcementOf(podUid: string): EnvironmentAnnouncement {
    const position = positions.get(podUid) ?? startPosition;
    const init = { ok: true, durationMs: 1 };
    const atMs = Math.floor(performance.now());
    return { podUid, address, state: "ready", sequence: atMs, isRunning: false, position, atMs, init };
  }

  /** Until the router has taken it: it may not have seen the pod yet. */
  async function announce(podUid: string): Promise<void> {
    for (let tries = 0; tries < mostTries && positions.has(podUid); tries += 1) {
      const headers = { authorization: `Bearer ${podUid}`, "content-type": "application/json" };
      const body = JSON.stringify(announcementOf(podUid));
      const url = `${routerUrl}${routes.environment(podUid)}`;
      const status = await request(url, { method: "PUT", dispatcher, headers, body }).then(
        async (told) => (await told.body.dump(), told.statusCode),
        () => 0,
      );
      if (status === 204) return;
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }

  function serve(incoming: IncomingMessage, response: ServerResponse): void {
    const podUid = podUidOf(incoming.headers.authorization ?? "");
    const grant = parseGrant(String(incoming.headers[GRANT_HEADER] ?? ""));
    if (podUid !== undefined && grant !== undefined) positions.set(podUid, { epoch: grant.epoch, turn: grant.turn });
    incoming.resume();
    const isClaim = incoming.url === routes.claim || incoming.url === routes.state;
    const body = isClaim ? JSON.stringify(announcementOf(podUid ?? "")) : answer;
    const headers = { "content-length": Buffer.byteLength(body), "x-amz-executed-version": "$LATEST" };
    incoming.once("end", () => response.writeHead(200, headers).end(body));
  }
}

/** Of the router's claim, unproven. */
function podUidOf(authorization: string): string | undefined {
  try {
    const claim = authorization.replace(/^Bearer /, "").split(".")[0] ?? "";
    return (JSON.parse(Buffer.from(claim, "base64url").toString()) as { podUid?: string }).podUid;
  } catch {
    return undefined;
  }
}

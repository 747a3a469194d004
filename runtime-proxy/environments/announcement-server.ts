import { environmentAnnouncementSchema, type EnvironmentAnnouncement } from "../../crds/wire/environment.ts";
import { EPOCH_HEADER, OWNER_HEADER } from "../../crds/wire/position.ts";
import { routes } from "../../crds/wire/routes.ts";
import type { Clock } from "../../lib/clock.ts";
import { jsonResponse, type HttpHandler, type HttpRequest, type HttpResponse } from "../../lib/http/handler.ts";
import { BodyTooLargeError, readBody } from "../../lib/http/read-body.ts";
import type { TokenVerifier } from "../../lib/http/service-account-token.ts";
import type { Logger } from "../../lib/logger.ts";
import type { RouterMetrics } from "../router-metrics.ts";
import { isAddressOf } from "../domain/environment.ts";
import type { EnvironmentPool } from "./environment-pool.ts";

export interface AnnouncementServerParts {
  readonly pool: EnvironmentPool;
  readonly verifyToken: TokenVerifier;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: RouterMetrics;
  /** How long an announcement waits for its pod to show in the watch: shorter than the agent waits for an answer. */
  readonly holdMs: number;
  /** Who owns an account, as far as it is known here. */
  readonly ownerOf: (namespace: string) => { readonly epoch: number; readonly address: string } | undefined;
}

type Read =
  | { readonly ok: true; readonly announcement: EnvironmentAnnouncement }
  | { readonly ok: false; readonly status: 400 | 413; readonly message: string };

const longestBytes = 64 * 1024;
const mostHeld = 2000;
const prefix = routes.environment("");
const addressPattern = /^(?:\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):\d{1,5}$/;

/** Takes announcements of environments, each proved by a token of the very pod; 204 means that it is stored. */
export function createAnnouncementServer(parts: AnnouncementServerParts): HttpHandler {
  const arrivals = new PodArrivals(parts);
  return async (request) => {
    if (request.method !== "PUT" || !request.path.startsWith(prefix)) {
      return refusal(404, `Cannot serve ${request.method} "${request.path}": no such operation`);
    }
    const podUid = request.path.slice(prefix.length);
    const response = await take(parts, arrivals, { podUid, request });
    parts.metrics.announcements.inc({ result: String(response.status) });
    return response;
  };
}

/** The token of an agent that has nothing to announce yet is checked, and remembered by whoever checks it. */
export function createGreetingServer(verifyToken: TokenVerifier): HttpHandler {
  return async ({ method, headers }) => {
    if (method !== "POST") return refusal(405, `Cannot ${method} "${routes.greeting}": only POST`);
    const check = await verifyToken(headers["authorization"]);
    return check.ok ? { status: 204 } : refusal(401, `Cannot take the greeting: ${check.reason}`);
  };
}

async function take(
  { pool, verifyToken, log, ownerOf }: AnnouncementServerParts,
  arrivals: PodArrivals,
  { podUid, request }: { readonly podUid: string; readonly request: HttpRequest },
): Promise<HttpResponse> {
  const check = await verifyToken(request.headers["authorization"]);
  if (!check.ok) return refusal(401, `Cannot take the announcement: ${check.reason}`);
  if (check.identity.podUid !== podUid) {
    return refusal(401, `Cannot take the announcement: the token is not of pod "${podUid}"`);
  }
  const read = await readAnnouncement(request, podUid);
  if (!read.ok) return refusal(read.status, read.message);
  const { announcement } = read;
  if (pool.get(podUid) === undefined && !(await arrivals.has(podUid))) {
    return refusal(409, `Cannot take the announcement: pod "${podUid}" is not known yet`);
  }
  const known = pool.get(podUid)?.pod;
  if (known !== undefined && !isAddressOf(announcement.address, known)) {
    const problem = `address is "${announcement.address}", right is one of the pod's own, ${known.podIP}`;
    return refusal(400, `Cannot take the announcement: ${problem}`);
  }
  const result = pool.announce(announcement);
  if (result === "unknownPod") return refusal(409, `Cannot take the announcement: pod "${podUid}" is gone`);
  log.debug("Environment announced", { podUid, state: announcement.state, address: announcement.address, result });
  const owner = ownerOf(pool.get(podUid)?.pod.namespace ?? "");
  if (owner === undefined) return { status: 204 };
  return { status: 204, headers: { [EPOCH_HEADER]: String(owner.epoch), [OWNER_HEADER]: owner.address } };
}

async function readAnnouncement(request: HttpRequest, podUid: string): Promise<Read> {
  try {
    const body = await readBody(request.body, longestBytes);
    const parsed = environmentAnnouncementSchema.safeParse(JSON.parse(body.toString("utf8")));
    if (!parsed.success)
      return badRequest(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
    if (parsed.data.podUid !== podUid) return badRequest(`podUid is "${parsed.data.podUid}", right is "${podUid}"`);
    if (!addressPattern.test(parsed.data.address))
      return badRequest(`address is "${parsed.data.address}", right is <host>:<port>`);
    return { ok: true, announcement: parsed.data as EnvironmentAnnouncement };
  } catch (error) {
    if (error instanceof BodyTooLargeError) return { ok: false, status: 413, message: error.message };
    if (error instanceof SyntaxError) return badRequest("the body is not JSON");
    throw error;
  }
}

function badRequest(problem: string): Read {
  return { ok: false, status: 400, message: `Cannot take the announcement: ${problem}` };
}

function refusal(status: number, message: string): HttpResponse {
  return jsonResponse(status, { message });
}

/** Announcements can be faster than the watch: they wait here, bounded in number and time, until their pod shows. */
class PodArrivals {
  readonly #waitingByPodUid = new Map<string, Set<() => void>>();
  readonly #clock: Clock;
  readonly #holdMs: number;
  #held = 0;

  constructor({ pool, clock, holdMs }: AnnouncementServerParts) {
    this.#clock = clock;
    this.#holdMs = holdMs;
    pool.listen({ onUrgent: () => undefined, onChanged: (podUid) => this.#tell(podUid) });
  }

  /** True as soon as the pod is known, false when it does not show in time or too many wait. */
  async has(podUid: string): Promise<boolean> {
    if (this.#held >= mostHeld) return false;
    this.#held += 1;
    const waiting = this.#waitingByPodUid.get(podUid) ?? new Set();
    this.#waitingByPodUid.set(podUid, waiting);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const shown = (): void => resolve(true);
    waiting.add(shown);
    const cancel = this.#clock.schedule(this.#holdMs, () => resolve(false));
    const isKnown = await promise;
    cancel();
    this.#held -= 1;
    waiting.delete(shown);
    if (waiting.size === 0) this.#waitingByPodUid.delete(podUid);
    return isKnown;
  }

  #tell(podUid: string): void {
    for (const shown of this.#waitingByPodUid.get(podUid) ?? []) shown();
  }
}

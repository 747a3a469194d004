/** The way from a user's machine to what routers know: through the API server, straight to an address, or to local mode. */
import { request, type Dispatcher } from "undici";
import { z } from "zod";
import { audiences, routes } from "../../../crds/wire/routes.ts";
import { topAnswerSchema, topNamespaceParameter, topTokenHeader, type TopAnswer } from "../../../crds/wire/top.ts";
import { systemClock } from "../../../lib/clock.ts";
import { readBody } from "../../../lib/http/read-body.ts";
import type { ApiServerAccess } from "../../../lib/kubernetes/api-server-access.ts";
import { ConnectionPool, type Way } from "../../../lib/kubernetes/connection-pool.ts";
import { messageOf, NoWayError } from "../push-way.ts";

export interface TopSource {
  /** Throws a NoWayError that says what would help. */
  read(): Promise<TopAnswer>;
  close(): Promise<void>;
}

export interface ClusterSource {
  readonly access: ApiServerAccess;
  /** Absent: all. */
  readonly namespace: string | undefined;
  /** Where kubelambda is installed, and as which release. */
  readonly installNamespace: string;
  readonly release: string;
  /** Whose token is asked for by who comes with a certificate, of the namespace that is looked at. */
  readonly serviceAccount: string;
  /** Instead of the API server's way. */
  readonly url?: string | undefined;
}

interface Asked {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher?: Dispatcher;
}

const silenceMs = 10_000;
const longestAnswerBytes = 64 * 1024 * 1024;
const tokenSeconds = 3600;
/** Tokens are asked for anew long before they end. */
const tokenUseMs = 1_800_000;

/** What the routers of a cluster say. */
export function clusterSource(wanted: ClusterSource): TopSource {
  const pool = new ConnectionPool({ access: wanted.access, clock: systemClock, connections: 2 });
  const tokens = new Tokens(pool, wanted);
  const { installNamespace, release, url } = wanted;
  return {
    async read() {
      const way = await pool.wayFor("request");
      const token = { [topTokenHeader]: await tokens.get(way) };
      if (url !== undefined) return await ask(wanted.namespace, { url, headers: token });
      const service = `/api/v1/namespaces/${installNamespace}/services/${release}-top:top/proxy`;
      const headers = { ...way.headers, ...token };
      const at = { url: `${way.origin}${way.pathPrefix}${service}`, headers, dispatcher: way.dispatcher };
      return await ask(wanted.namespace, at);
    },
    close: () => pool.close(),
  };
}

/** What local mode says, which asks for no token. */
export function localSource(url: string, namespace: string | undefined): TopSource {
  return { read: () => ask(namespace, { url, headers: {} }), close: () => Promise.resolve() };
}

async function ask(namespace: string | undefined, { url, headers, dispatcher }: Asked): Promise<TopAnswer> {
  const answer = await request(`${url.replace(/\/+$/, "")}${routes.top}`, {
    ...{ headers, headersTimeout: silenceMs, bodyTimeout: silenceMs },
    query: namespace === undefined ? {} : { [topNamespaceParameter]: namespace },
    ...(dispatcher !== undefined && { dispatcher }),
  });
  const text = (await readBody(answer.body, longestAnswerBytes)).toString("utf8");
  const { statusCode: status } = answer;
  if (status !== 200)
    throw new NoWayError(`Cannot show functions: the answer is ${status}: ${messageOf(text)}${remedies[status] ?? ""}`);
  return topAnswerSchema.parse(JSON.parse(text));
}

const remedies: Readonly<Record<number, string>> = {
  403: "; the chart value router.top.subjects says who comes this way, and RBAC (list functions, as the cluster role view has it) who sees what",
  404: "; --install-namespace and --release say where kubelambda is installed, and router.top.enabled whether it is served",
  503: "; no router is ready",
};

const tokenSchema = z.object({ status: z.object({ token: z.string().min(1) }) });

/** The caller's own, or one that is made for this: the API server tells nobody who comes with a certificate. */
class Tokens {
  readonly #pool: ConnectionPool;
  readonly #wanted: ClusterSource;
  #made: { readonly token: string; readonly untilMs: number } | undefined;

  constructor(pool: ConnectionPool, wanted: ClusterSource) {
    this.#pool = pool;
    this.#wanted = wanted;
  }

  async get({ headers }: Way): Promise<string> {
    const [, authorization = ""] = Object.entries(headers).find(([name]) => /^authorization$/i.test(name)) ?? [];
    const [, own] = /^Bearer (\S+)$/i.exec(authorization) ?? [];
    if (own !== undefined) return own;
    const nowMs = systemClock.monotonicMs();
    if (this.#made === undefined || nowMs > this.#made.untilMs)
      this.#made = { token: await this.#make(), untilMs: nowMs + tokenUseMs };
    return this.#made.token;
  }

  async #make(): Promise<string> {
    const { namespace, installNamespace, serviceAccount } = this.#wanted;
    const { dispatcher, origin, pathPrefix, headers } = await this.#pool.wayFor("request");
    const place = namespace ?? installNamespace;
    const path = `/api/v1/namespaces/${place}/serviceaccounts/${serviceAccount}/token`;
    const answer = await request(`${origin}${pathPrefix}${path}`, {
      ...{ dispatcher, method: "POST", headersTimeout: silenceMs, bodyTimeout: silenceMs },
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ spec: { audiences: [audiences.top], expirationSeconds: tokenSeconds } }),
    });
    const text = (await readBody(answer.body, 1024 * 1024)).toString("utf8");
    if (answer.statusCode === 201) return tokenSchema.parse(JSON.parse(text)).status.token;
    throw new NoWayError(
      `Cannot show functions: your kubeconfig has a certificate and no token, and you may not make one of the ServiceAccount "${place}/${serviceAccount}" (create serviceaccounts/token): ${messageOf(text)}; a kubeconfig with a token of yours needs no more than to list functions`,
    );
  }
}

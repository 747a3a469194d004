/** The way from a user's machine to the package store: through the API server, straight to an address, or to local mode. */
import { request, type Dispatcher } from "undici";
import { z } from "zod";
import { pushNamespaceHeader, pushTokenHeader } from "../../crds/wire/packages.ts";
import { audiences, routes } from "../../crds/wire/routes.ts";
import { systemClock } from "../../lib/clock.ts";
import { readBody } from "../../lib/http/read-body.ts";
import type { ApiServerAccess } from "../../lib/kubernetes/api-server-access.ts";
import { ConnectionPool } from "../../lib/kubernetes/connection-pool.ts";
import type { UploadWay } from "../../runtime-proxy/packages/upload.ts";

export interface PushTarget {
  readonly namespace: string;
  /** For messages. */
  readonly title: string;
  way(digest: string): Promise<UploadWay>;
  close(): Promise<void>;
}

export interface ClusterTarget {
  readonly access: ApiServerAccess;
  /** Whose package it is to be. */
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Where kubelambda is installed, and as which release. */
  readonly installNamespace: string;
  readonly release: string;
  /** Instead of the API server's way to it. */
  readonly url?: string | undefined;
}

/** Why there is no way, with what helps. */
export class NoWayError extends Error {}

const tokenSeconds = 3600;
const answerLimitBytes = 1024 * 1024;
const silenceMs = 30_000;

export function clusterTarget(wanted: ClusterTarget): PushTarget {
  const { access, namespace, installNamespace, release, url } = wanted;
  const pool = new ConnectionPool({ access, clock: systemClock, connections: 4 });
  return {
    namespace,
    title: url ?? `the package store of "${installNamespace}/${release}"`,
    async way(digest) {
      const headers = { [pushTokenHeader]: await requestToken(pool, wanted) };
      if (url !== undefined) return { url: `${withoutSlash(url)}${routes.push(digest)}`, headers };
      const { dispatcher, origin, pathPrefix, headers: own } = await pool.wayFor("request");
      const service = `/api/v1/namespaces/${installNamespace}/services/${release}-push:push/proxy`;
      return {
        url: `${origin}${pathPrefix}${service}${routes.push(digest)}`,
        headers: { ...own, ...headers },
        dispatcher,
      };
    },
    close: () => pool.close(),
  };
}

export function localTarget(url: string, namespace: string): PushTarget {
  const way: UploadWay = { url: "", headers: { [pushNamespaceHeader]: namespace } };
  return {
    namespace,
    title: url,
    way: (digest) => Promise.resolve({ ...way, url: `${withoutSlash(url)}${routes.push(digest)}` }),
    close: () => Promise.resolve(),
  };
}

const tokenSchema = z.object({ status: z.object({ token: z.string().min(1) }) });
const statusSchema = z.object({ message: z.string() });

/** A short-lived token that opens nothing but the package store. */
async function requestToken(pool: ConnectionPool, { namespace, serviceAccount }: ClusterTarget): Promise<string> {
  const { dispatcher, origin, pathPrefix, headers } = await pool.wayFor("request");
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
  const spec = { audiences: [audiences.packages], expirationSeconds: tokenSeconds };
  const { status, text } = await post(`${origin}${pathPrefix}${path}`, { dispatcher, headers, body: { spec } });
  if (status === 201) return tokenSchema.parse(JSON.parse(text)).status.token;
  const said = messageOf(text);
  const cannot = `Cannot push to namespace "${namespace}"`;
  if (status === 403) {
    throw new NoWayError(
      `${cannot}: you may not make tokens of its ServiceAccount "${serviceAccount}" (create serviceaccounts/token, as the cluster role "edit" may): ${said}`,
    );
  }
  if (status === 404) throw new NoWayError(`${cannot}: ${said}; name another with -n or --service-account`);
  throw new NoWayError(`${cannot}: the API server answered ${status}: ${said}`);
}

async function post(
  url: string,
  { dispatcher, headers, body }: { dispatcher: Dispatcher; headers: Readonly<Record<string, string>>; body: object },
): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await request(url, {
    ...{ dispatcher, method: "POST", headersTimeout: silenceMs, bodyTimeout: silenceMs },
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: answer.statusCode, text: (await readBody(answer.body, answerLimitBytes)).toString("utf8") };
}

/** What the API server says of a refusal. */
export function messageOf(text: string): string {
  try {
    return statusSchema.parse(JSON.parse(text)).message.slice(0, 500);
  } catch {
    return text.slice(0, 500);
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}

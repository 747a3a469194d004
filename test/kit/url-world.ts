/** A router with one function that has a function URL, and an alias of it that has another. */
import { request } from "undici";
import { API_VERSION } from "../../crds/names.ts";
import { aliasKind } from "../../crds/v1alpha1/alias.ts";
import { functionKind, type FunctionObject } from "../../crds/v1alpha1/function.ts";
import type { FunctionURLConfig } from "../../crds/v1alpha1/invoke-config.ts";
import { versionKind } from "../../crds/v1alpha1/version.ts";
import type { Stored } from "../../lib/kubernetes/object.ts";
import type { RouterConfig } from "../../runtime-proxy/router.ts";
import { RouterWorld, type HttpAnswer } from "./router-world.ts";
import type { ScriptedAgent } from "./scripted-agent.ts";

export const urlId = "0123456789abcdefghijklmnopqrstuv";
export const aliasUrlId = "vutsrqponmlkjihgfedcba9876543210";
export const urlHostSuffix = "lambda-url.us-east-1.example.org";
export const urlHost = `${urlId}.${urlHostSuffix}`;

export interface UrlCall {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  /** By this host; absent: by path. */
  readonly host?: string;
  readonly id?: string;
}

export class UrlWorld extends RouterWorld {
  agent!: ScriptedAgent;
  versionAgent!: ScriptedAgent;
  hello!: Stored<FunctionObject>;

  static async start(routers = 1, changes: Partial<RouterConfig> = {}): Promise<UrlWorld> {
    const world = new UrlWorld();
    await world.startRouters(routers, {
      KUBELAMBDA_FUNCTION_URL_HOST: urlHostSuffix,
      KUBELAMBDA_TRUSTED_PROXIES: ["127.0.0.1"],
      ...changes,
    });
    const functionURL = `https://${urlHost}/`;
    world.hello = await world.addFunction({ name: "hello", status: { functionURL } });
    await world.configure({});
    world.agent = await world.addEnvironment(world.hello);
    await world.#addVersion();
    world.versionAgent = await world.addEnvironment(world.hello, "v1");
    return world;
  }

  /** Gives $LATEST's URL another configuration. */
  async configure(changes: Partial<FunctionURLConfig>): Promise<void> {
    const functionURLConfig = { authType: "NONE", invokeMode: "BUFFERED", cors: null, ...changes };
    await this.store.patch(ref(functionKind, "hello"), { spec: { functionURLConfig } });
  }

  async #addVersion(): Promise<void> {
    const make = async (kind: typeof aliasKind | typeof versionKind, spec: object, status: object): Promise<void> => {
      const metadata = { name: kind.kind.toLowerCase(), namespace: "default" };
      await this.store.create({ apiVersion: API_VERSION, kind: kind.kind, metadata, ...{ spec } });
      await this.store.patch(ref(kind, metadata.name), { status }, { subresource: "status" });
    };
    await make(versionKind, { functionName: "hello" }, { version: 1, revisionID: "v1", timeout: 3 });
    const functionURLConfig = { authType: "NONE", invokeMode: "BUFFERED" };
    const functionURL = `http://127.0.0.1/lambda-url/${aliasUrlId}/`;
    await make(
      aliasKind,
      { name: "live", functionName: "hello", functionVersion: "1", functionURLConfig },
      { functionURL },
    );
  }

  /** Calls a URL, by path unless told otherwise. */
  async url(path: string, { method = "GET", headers = {}, body, host, id = urlId }: UrlCall = {}): Promise<HttpAnswer> {
    const answer = await request(
      `http://127.0.0.1:${this.router.invokePort}${host === undefined ? `/lambda-url/${id}` : ""}${path}`,
      {
        method: method as "GET",
        headers: { ...headers, ...(host !== undefined && { host }) },
        body: body ?? null,
      },
    );
    return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
  }

  /** The event of the last call. */
  get event(): UrlEventSeen {
    return JSON.parse(this.agent.calls.at(-1)?.event ?? "null") as UrlEventSeen;
  }
}

export interface UrlEventSeen {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly cookies?: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly queryStringParameters?: Readonly<Record<string, string>>;
  readonly requestContext: {
    readonly accountId: string;
    readonly apiId: string;
    readonly authorizer?: object;
    readonly domainName: string;
    readonly http: Readonly<Record<string, string>>;
    readonly requestId: string;
    readonly timeEpoch: number;
  };
  readonly body?: string;
  readonly isBase64Encoded: boolean;
}

function ref<K>(kind: K, name: string): { readonly kind: K; readonly name: string; readonly namespace: string } {
  return { kind, name, namespace: "default" };
}

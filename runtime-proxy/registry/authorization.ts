/** From a registry's challenge to the header that answers it. Sources: distribution specification, "Token authentication"; OAuth2 form of the same for identity tokens. */
import { parseChallenge, type Challenge } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { members } from "./manifests.ts";
import { parseUrl, show, type RegistryAnswer, type RegistryHttp } from "./registry-http.ts";
import { RegistryError } from "./registry-error.ts";

export interface AuthorizationInput {
  readonly http: RegistryHttp;
  /** What is read, for messages: `image "…"`. */
  readonly title: string;
  /** Where its user names a pull secret. */
  readonly secretField: string;
  readonly repository: string;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

const tokenLimitBytes = 1024 * 1024;

/** Header `authorization` for what answered 401; throws RegistryError (ImageUnauthorized) where there is none to give. */
export async function authorize(input: AuthorizationInput, refused: RegistryAnswer): Promise<string> {
  const { credentials } = input;
  const challenge = parseChallenge(refused.headers["www-authenticate"] ?? "");
  if (challenge === undefined)
    throw unauthorized(input, "the registry asks for a proof of a kind that is not known here");
  if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`;
  if (challenge.scheme === "bearer") return `Bearer ${await fetchToken(input, challenge)}`;
  if (credentials === undefined) throw unauthorized(input, "the registry asks for user and password");
  return basic(credentials);
}

/** What can be done about it stands in every such message. */
export function unauthorized(
  { title, secretField }: Pick<AuthorizationInput, "title" | "secretField">,
  why: string,
): RegistryError {
  const message = `Cannot read ${title}: ${why}; name a pull secret for it in ${secretField}`;
  return new RegistryError("ImageUnauthorized", message);
}

async function fetchToken(
  input: AuthorizationInput,
  challenge: Challenge & { readonly scheme: "bearer" },
): Promise<string> {
  const { http, signal, credentials, repository } = input;
  const realm = parseUrl(challenge.realm);
  const scope = challenge.scope ?? `repository:${repository}:pull`;
  const { service } = challenge;
  const asked = { ...(service !== undefined && { service }), scope };
  const answer =
    credentials?.identityToken === undefined
      ? await http.send({
          url: withQuery(realm, asked),
          headers: credentials === undefined ? {} : { authorization: basic(credentials) },
          limitBytes: tokenLimitBytes,
          signal,
        })
      : await http.send({
          url: realm,
          method: "POST",
          headers: { "content-type": "application/x-www-form-urlencoded" },
          body: refreshForm(asked, credentials.identityToken),
          limitBytes: tokenLimitBytes,
          signal,
        });
  return readToken(answer, realm, input);
}

function readToken({ status, body }: RegistryAnswer, realm: URL, input: AuthorizationInput): string {
  if (status === 400 || status === 401 || status === 403 || status === 404) {
    throw unauthorized(input, `${show(realm)} gives no token (${status})`);
  }
  const { token, access_token: accessToken } = status === 200 ? members(parseJson(body)) : {};
  const found = [token, accessToken].find((text) => typeof text === "string" && /^[\x21-\x7e]+$/.test(text));
  if (typeof found === "string") return found;
  const why = status === 200 ? "its answer has no token" : `it answered ${status}`;
  throw new RegistryError("RegistryUnreachable", `Cannot get a token for ${input.title} from ${show(realm)}: ${why}`);
}

function withQuery(realm: URL, query: Readonly<Record<string, string>>): URL {
  const url = new URL(realm);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function refreshForm(asked: Readonly<Record<string, string>>, refreshToken: string): string {
  const form = { grant_type: "refresh_token", refresh_token: refreshToken, client_id: "kubelambda", ...asked };
  return new URLSearchParams(form).toString();
}

function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** Undefined when it is no JSON. */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

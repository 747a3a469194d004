/** A real registry (Debian's docker-registry) on the loopback, and a token server as registries send one to. */
import { spawn } from "node:child_process";
import { X509Certificate, type KeyObject, createPrivateKey } from "node:crypto";
import { once } from "node:events";
import { readFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { freePorts } from "../../lib/free-ports.ts";
import type { Certified } from "../cluster/pki.ts";
import { run } from "../cluster/run.ts";
import { waitUntil } from "../cluster/wait-until.ts";

export const user = "reader";
export const password = "right:word";
/** bcrypt of the password, as htpasswd writes it. */
const passwordHash = "$2a$04$abcdefghijklmnopqrstuugu32mBi4fcMmV.Fckd0w4smUgtNG2f.";
const issuer = "test-issuer";
const service = "test-registry";

export interface TestRegistry {
  readonly url: string;
  /** `127.0.0.1:port`, as it stands in an image's name. */
  readonly host: string;
  stop(): Promise<void>;
}

export interface TokenServer {
  readonly url: string;
  /** A token for everything: with it images are pushed. */
  readonly pushHeaders: Readonly<Record<string, string>>;
  /** What asked for tokens: query and credentials. */
  readonly requests: readonly {
    readonly scope: string;
    readonly authorization: string | undefined;
    readonly form: string;
  }[];
  /** Of the registry that trusts it. */
  readonly auth: object;
  stop(): Promise<void>;
}

/** `auth` absent: everybody may do everything; `address` (`host:port`) absent: a free port of the loopback; `tls` absent: plain HTTP. */
export async function startRegistry(
  auth?: "basic" | TokenServer,
  address?: string,
  tls?: Certified,
): Promise<TestRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "registry-"));
  const host = address ?? `127.0.0.1:${(await freePorts(1))[0] ?? 0}`;
  const passwords = join(directory, "htpasswd");
  writeFileSync(passwords, `${user}:${passwordHash}\n`);
  const basic = { htpasswd: { realm: "test", path: passwords } };
  const config = {
    version: "0.1",
    log: { accesslog: { disabled: true }, level: "error" },
    storage: { filesystem: { rootdirectory: join(directory, "storage") }, delete: { enabled: true } },
    http: { addr: host, ...(tls !== undefined && { tls: { certificate: tls.certFile, key: tls.keyFile } }) },
    ...(auth !== undefined && { auth: auth === "basic" ? basic : auth.auth }),
  };
  const file = join(directory, "registry.yml");
  writeFileSync(file, JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", file], { stdio: "ignore" });
  const ended = once(child, "close");
  const url = `${tls === undefined ? "http" : "https"}://${host}`;
  await waitUntil({ what: "the registry", timeoutMs: 15_000 }, async () => {
    const [hostname = "", port = ""] = host.split(":");
    const socket = connect(Number(port), hostname);
    await once(socket, "connect").finally(() => socket.destroy());
    return true;
  });
  return {
    url,
    host,
    async stop() {
      child.kill("SIGKILL");
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Gives tokens for pulling to those who know the password or the refresh token `refresh`, and for `open/` to everybody. */
export async function startTokenServer(): Promise<TokenServer> {
  const directory = mkdtempSync(join(tmpdir(), "token-server-"));
  const [keyFile, certificateFile] = [join(directory, "key.pem"), join(directory, "certificate.pem")];
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run(
    "openssl",
    ["req", "-x509", ...newKey, "-keyout", keyFile, "-out", certificateFile, "-subj", "/CN=test", "-days", "2"],
    { timeoutMs: 30_000 },
  );
  const key = createPrivateKey(readFileSync(keyFile));
  const chain = new X509Certificate(readFileSync(certificateFile)).raw.toString("base64");
  const requests: { scope: string; authorization: string | undefined; form: string }[] = [];
  const server = createServer((request, response) => {
    void answer(request.url ?? "", request, { key, chain, requests }).then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  const [port = 0] = await freePorts(1);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${port}`;
  const everything = [
    { type: "repository", name: "open/image", actions: ["pull", "push"] },
    { type: "repository", name: "closed/image", actions: ["pull", "push"] },
  ];
  return {
    url,
    requests,
    pushHeaders: { authorization: `Bearer ${await sign(key, chain, everything)}` },
    auth: { token: { realm: `${url}/token`, service, issuer, rootcertbundle: certificateFile } },
    async stop() {
      server.closeAllConnections();
      server.close();
      rmSync(directory, { recursive: true, force: true });
      await once(server, "close");
    },
  };
}

interface Desk {
  readonly key: KeyObject;
  readonly chain: string;
  readonly requests: { scope: string; authorization: string | undefined; form: string }[];
}

async function answer(
  path: string,
  request: AsyncIterable<Buffer> & { readonly headers: { readonly authorization?: string | undefined } },
  { key, chain, requests }: Desk,
): Promise<{ readonly status: number; readonly body: object }> {
  let form = "";
  for await (const chunk of request) form += chunk.toString();
  const fields = form === "" ? new URL(path, "http://x").searchParams : new URLSearchParams(form);
  const scope = fields.get("scope") ?? "";
  const { authorization } = request.headers;
  requests.push({ scope, authorization, form });
  const isRight = authorization === `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const isRefreshed = fields.get("grant_type") === "refresh_token" && fields.get("refresh_token") === "refresh";
  const isWrong = (authorization !== undefined && !isRight) || (form !== "" && !isRefreshed);
  if (isWrong || fields.get("service") !== service)
    return { status: 401, body: { details: "incorrect username or password" } };
  const name = /^repository:(.*):pull$/.exec(scope)?.[1] ?? "";
  const mayPull = isRight || isRefreshed || name.startsWith("open/");
  // As Docker Hub does: a token without the right, and the registry refuses.
  const token = await sign(key, chain, mayPull ? [{ type: "repository", name, actions: ["pull"] }] : []);
  return { status: 200, body: isRefreshed ? { access_token: token } : { token } };
}

async function sign(key: KeyObject, chain: string, access: readonly object[]): Promise<string> {
  return await new SignJWT({ access })
    .setProtectedHeader({ alg: "ES256", typ: "JWT", x5c: [chain] })
    .setIssuer(issuer)
    .setAudience(service)
    .setSubject("")
    .setIssuedAt()
    .setNotBefore("-1m")
    .setExpirationTime("10m")
    .setJti("1")
    .sign(key);
}

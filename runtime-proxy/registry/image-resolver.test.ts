import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { RequestListener, ServerResponse } from "node:http";
import type { ImageAnswer } from "../../crds/wire/images.ts";
import { startScriptedServer, type ScriptedServer } from "../../test/kit/scripted-server.ts";
import { createAddressRules } from "../packages/address-rules.ts";
import { lookUpImage, type ImageLookup, type ImageResolverOptions } from "./image-resolver.ts";

const rules = createAddressRules({ allowedCIDRs: [], deniedCIDRs: [] });
const sha256 = (text: string): string => `sha256:${createHash("sha256").update(text).digest("hex")}`;
const config = JSON.stringify({ os: "linux", architecture: "amd64", config: { Entrypoint: ["/main"] } });
const type = "application/vnd.oci.image.manifest.v1+json";
const manifest = JSON.stringify({
  schemaVersion: 2,
  mediaType: type,
  config: { digest: sha256(config), mediaType: "application/vnd.oci.image.config.v1+json", size: config.length },
  layers: [{ digest: `sha256:${"0".repeat(64)}`, size: 5 }],
});

const send =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { "content-type": type, ...headers }).end(body);
const giveManifest = send(200, manifest);
const giveConfig = send(200, config);
const silent: RequestListener = () => undefined;
const endless: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": type });
  pour(response);
};
function pour(response: ServerResponse): void {
  while (response.write(Buffer.alloc(1 << 20)));
  response.once("drain", () => pour(response));
}

interface Case {
  readonly steps: readonly RequestListener[];
  readonly lookup?: Partial<ImageLookup>;
  readonly access?: Partial<ImageResolverOptions>;
  /** `code message`, or the outcome. */
  readonly want: RegExp;
  readonly requests?: number;
}

const cases: Record<string, Case> = {
  "takes a registry that tells the truth": { steps: [giveManifest, giveConfig], want: /^resolved/, requests: 2 },
  "refuses a manifest that has another digest than the header says": {
    steps: [send(200, manifest, { "docker-content-digest": sha256("other") })],
    want: /^InvalidImage .*the registry sent sha256:.* for "sha256:/,
    requests: 1,
  },
  "refuses a configuration that has another digest than the manifest says": {
    steps: [giveManifest, send(200, config.replace("/main", "/evil"))],
    want: /^InvalidImage .*the registry sent/,
  },
  "refuses a manifest without end": { steps: [endless], want: /^InvalidImage .*longer than 4194304 bytes/ },
  "refuses a configuration without end": {
    steps: [giveManifest, endless],
    want: /^InvalidImage .*longer than 8388608 bytes/,
  },
  "gives up on a registry that says nothing": {
    steps: [silent],
    access: { silenceMs: 50 },
    want: /^RegistryUnreachable .*the connection failed \(UND_ERR_HEADERS_TIMEOUT\)/,
  },
  "gives up when its time is over": {
    steps: [silent],
    access: { deadlineMs: 50 },
    want: /^RegistryUnreachable .*no answer in time/,
  },
  "tries later when there were too many requests": {
    steps: [send(429, '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}')],
    want: /^RegistryUnreachable .*answered 429 for its manifest "1": "TOOMANYREQUESTS: slow down"/,
  },
  "tries later when the registry fails": { steps: [send(500, "<html>")], want: /^RegistryUnreachable .*answered 500/ },
  "says that it may not": { steps: [send(403, "{}")], want: /^ImageUnauthorized .*\(403\).*imagePullSecrets/ },
  "knows no other proofs": {
    steps: [send(401, "", { "www-authenticate": "Negotiate" })],
    want: /^ImageUnauthorized .*a kind that is not known here/,
  },
  "goes to no closed address by a redirect": {
    steps: [send(302, "", { location: "https://169.254.169.254/latest" })],
    want: /^ImageRefused .*"169.254.169.254": it is a link-local address; the chart value "packages.registries.privateHosts"/,
    requests: 1,
  },
  "leaves TLS for nobody's redirect": {
    steps: [send(307, "", { location: "http://example.test/x" })],
    want: /^ImageRefused .*it is not https; the chart value "packages.registries.plainHTTPHosts"/,
  },
  "gets its token from no closed address": {
    steps: [send(401, "", { "www-authenticate": 'Bearer realm="https://10.0.0.1/token"' })],
    want: /^ImageRefused .*a private address/,
  },
  "follows redirects to an end": {
    steps: [(request, response) => void response.writeHead(302, { location: request.url }).end()],
    want: /^ImageRefused .*more than 5 redirects/,
    requests: 6,
  },
  "asks for nothing but the digest when that is known": {
    steps: [send(200, "", { "docker-content-digest": sha256(manifest) })],
    lookup: { knownDigest: sha256(manifest) },
    want: /^unchanged/,
    requests: 1,
  },
  "reads the manifest where the registry does not tell the digest": {
    steps: [send(200, ""), giveManifest],
    lookup: { knownDigest: sha256(manifest) },
    want: /^unchanged/,
    requests: 2,
  },
  "refuses an index that leads to another": {
    steps: [
      indexOf(sha256(indexText(sha256("x")))),
      send(200, indexText(sha256("x")), { "content-type": "application/vnd.oci.image.index.v1+json" }),
    ],
    want: /^InvalidImage .*its index leads to another index/,
  },
  "refuses a name that is none": { steps: [], lookup: { image: "Bad Name" }, want: /^InvalidImageReference / },
};

function indexText(digest: string): string {
  const platform = { os: "linux", architecture: "amd64" };
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ digest, platform }],
  });
}
function indexOf(digest: string): RequestListener {
  return send(200, indexText(digest));
}

describe("looking an image up", () => {
  let server: ScriptedServer | undefined;
  afterEach(() => server?.stop());

  async function look({ steps, lookup = {}, access = {} }: Case): Promise<ImageAnswer> {
    server = await startScriptedServer(...steps);
    const { host } = new URL(server.url);
    const wanted = { image: `${host}/team/image:1`, architecture: "x86_64", ...lookup } as const;
    return await lookUpImage(wanted, { rules, privateHosts: [], plainHttpHosts: [host], ...access });
  }

  for (const [what, test] of Object.entries(cases)) {
    it(what, async () => {
      const answer = await look(test);
      assert.match(answer.outcome === "failed" ? `${answer.code} ${answer.message}` : answer.outcome, test.want);
      if (test.requests !== undefined) assert.equal(server?.requests.length, test.requests);
    });
  }

  it("keeps its token for the registry when that sends it elsewhere", async () => {
    const elsewhere = await startScriptedServer(giveConfig);
    const token: RequestListener = (_request, response) => void response.end('{"token":"secret"}');
    const ask: RequestListener = (request, response) => {
      const realm = `http://${request.headers.host ?? ""}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
    };
    const away = send(307, "", { location: `${elsewhere.url}/blob` });
    server = await startScriptedServer(ask, token, giveManifest, away);
    const { host } = new URL(server.url);
    const plainHttpHosts = [host, new URL(elsewhere.url).host];
    const lookup = { image: `${host}/team/image:1`, architecture: "x86_64" } as const;
    const answer = await lookUpImage(lookup, { rules, privateHosts: [], plainHttpHosts });
    assert.equal(answer.outcome, "resolved");
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      [undefined, undefined, "Bearer secret", "Bearer secret"],
    );
    assert.equal(elsewhere.requests[0]?.headers.authorization, undefined);
    await elsewhere.stop();
  });
});

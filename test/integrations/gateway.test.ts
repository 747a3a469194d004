/** The chart's Ingress and HTTPRoute, by the recipes of docs/function-urls.md, through a real controller. */
import assert from "node:assert/strict";
import { Agent as HttpsAgent } from "node:https";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvokeCommand, InvokeWithResponseStreamCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { Agent, request } from "undici";
import { createAuthority, issueCertificate } from "../cluster/pki.ts";
import { installNamespace } from "../e2e/fixture.ts";
import { invoke, resultOf } from "../e2e/invoke.ts";
import { nodeFunction, Space } from "../e2e/space.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { applyAll, deleteAll, recipeOf, type Manifest } from "./manifests.ts";
import { openGateway, startTraefik, untilRouted, type Traefik } from "./traefik.ts";

interface UrlEvent {
  readonly rawPath: string;
  readonly rawQueryString: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isBase64Encoded: boolean;
  readonly requestContext: { readonly domainName: string; readonly http: { readonly sourceIp: string } };
}

/** Values of the chart. */
type Values = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const apiHost = "lambda.example.org";
const urlHosts = "*.lambda-url.us-east-1.example.org";
/** Longer than the minute that many controllers allow. */
const longCallMs = 65_000;
const chunks = 5;
const pauseMs = 400;

const echo = "export const handler = async (event) => event;";
const length = "export const handler = async ({ text }) => text.length;";
const slow = `export const handler = async () => await new Promise((resolve) => setTimeout(() => resolve("late"), ${longCallMs}));`;
const stream = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
  for (let chunk = 0; chunk < ${chunks}; chunk += 1) {
    stream.write(String(chunk));
    await new Promise((resolve) => setTimeout(resolve, ${pauseMs}));
  }
  stream.end();
});`;

const ingressValues = recipeOf("function-urls.md", "className: nginx")[0] as unknown as Values;
const gatewayValues = recipeOf("function-urls.md", "parentRefs:")[0] as unknown as Values;

describe("the chart's routes through Traefik", function () {
  this.timeout(180_000);
  let space: Space;
  let traefik: Traefik;
  let ca = "";
  /** How to undo what was made, in the order of its making. */
  const made: (() => Promise<unknown>)[] = [];

  before(async function () {
    this.timeout(45 * 60_000);
    space = await Space.open("gateways");
    const { kind } = space.system.cluster;
    if (kind !== "own") throw new Error(`Cannot reach Services of a cluster that is "${kind}": unset KUBECONFIG`);
    made.push(() => space.close());
    traefik = await startTraefik(space);
    made.push(() => deleteAll(space.system, traefik.clusterWide));
    const { authority, secrets } = await certify();
    ca = authority;
    await applyAll(space.system, secrets);
    made.push(() => deleteAll(space.system, secrets));
    await openGateway(space, "edge-tls");
    made.push(() => space.system.install());
    const url = { authType: "NONE" } as const;
    await space.applyFunction("web", nodeFunction(echo, { functionURLConfig: url }));
    const streaming = { ...url, invokeMode: "RESPONSE_STREAM" } as const;
    await space.applyFunction("stream", nodeFunction(stream, { functionURLConfig: streaming, timeout: 20 }));
    await space.applyFunction("length", nodeFunction(length));
    await space.applyFunction("slow", nodeFunction(slow, { timeout: 90 }));
    for (const name of ["web", "stream", "length", "slow"]) await space.waitReady(name);
  });
  after(async () => {
    for (const undo of made.toReversed()) await undo();
  });

  /** The recipe's Ingress of a class, without annotations. */
  const bare = (className: string): Values => {
    return { ...ingressValues, ingress: { ...ingressValues["ingress"], className, annotations: {} } };
  };
  const edges: Record<string, { values: Values; address: () => string; cutsOff?: true }> = {
    "an Ingress as in the docs, with nginx's annotations": {
      values: ingressValues,
      address: () => traefik.ingressAddress,
    },
    "an Ingress of class nginx, without annotations": {
      values: bare("nginx"),
      address: () => traefik.ingressAddress,
      cutsOff: true,
    },
    "an Ingress of class traefik, without annotations": {
      values: bare("traefik"),
      address: () => traefik.ingressAddress,
    },
    "an HTTPRoute as in the docs": { values: gatewayValues, address: () => traefik.gatewayAddress },
  };
  for (const [title, { values, address, cutsOff }] of Object.entries(edges)) {
    describe(title, () => {
      let dispatcher: Agent;
      let sdk: LambdaClient;
      let url = "";
      let streamUrl = "";
      let late: Promise<unknown>;

      before(async () => {
        const functionUrls = { ...values["functionUrls"], trustedProxies: [`${traefik.podAddress}/32`] };
        await space.system.install({ ...values, functionUrls });
        const lookup = alwaysTo(address());
        dispatcher = new Agent({ connect: { ca, lookup } });
        sdk = new LambdaClient({
          endpoint: `https://${apiHost}`,
          region: "us-east-1",
          credentials: space.system.credentials,
          requestHandler: { httpsAgent: new HttpsAgent({ ca, lookup }) },
        });
        url = await urlOf("web");
        streamUrl = await urlOf("stream");
        await untilRouted(space, `${apiHost} and ${url}`, async () => {
          resultOf(await call("length", { text: "" }));
          const { statusCode, body } = await request(url, { dispatcher });
          await body.dump();
          if (statusCode === 200) return true;
          throw new Error(`the function URL answers ${statusCode}`);
        });
        late = call("slow", {})
          .then(resultOf)
          .catch((error: unknown) => error);
      });
      after(async () => {
        sdk.destroy();
        await dispatcher.destroy();
      });

      const call = async (name: string, payload: unknown) =>
        await invoke(`https://${apiHost}`, name, payload, { namespace: space.name, dispatcher, timeoutMs: 90_000 });

      /** What the function is told of a request. */
      async function seen(target: string, options: Parameters<typeof request>[1] = {}): Promise<UrlEvent> {
        const { statusCode, body } = await request(target, { ...options, dispatcher });
        const text = await body.text();
        assert.equal(statusCode, 200, text);
        return JSON.parse(text) as UrlEvent;
      }

      it("answers Invoke, with as many bytes as Lambda takes", async () => {
        const text = "a".repeat(6 * 1024 * 1024 - 100);
        assert.equal(resultOf(await call("length", { text })), text.length);
      });

      it("answers the AWS SDK, whose signature holds", async () => {
        const { status } = await space.getFunction("web");
        const command = new InvokeCommand({ FunctionName: status?.functionARN, Payload: '{"a":"b"}' });
        const { Payload } = await sdk.send(command);
        assert.deepEqual(JSON.parse(Buffer.from(Payload ?? []).toString()), { a: "b" });
      });

      it("answers a function URL by host; the function is told who called, and what as it was sent", async () => {
        const headers = { "x-forwarded-for": "6.6.6.6", "content-type": "application/octet-stream" };
        const target = `${url}a%20b/c%2Fd?x=1&x=2`;
        const body = Buffer.from([0, 255, 10]);
        const event = await seen(target, { method: "POST", headers, body });
        assert.deepEqual([event.rawPath, event.rawQueryString], ["/a%20b/c%2Fd", "x=1&x=2"]);
        assert.deepEqual(Buffer.from(event.body ?? "", "base64"), body);
        assert.equal(event.requestContext.domainName, new URL(url).host);
        // The test's own, as pods see it: the node's on their bridge.
        assert.equal(event.requestContext.http.sourceIp, "198.18.0.1");
        assert.deepEqual([event.headers["x-forwarded-proto"], event.headers["x-forwarded-port"]], ["https", "443"]);
      });

      it("answers a function URL by path", async () => {
        const id = new URL(url).host.split(".")[0] ?? "";
        const event = await seen(`https://${apiHost}/lambda-url/${id}/a?x=1`);
        assert.deepEqual([event.rawPath, event.requestContext.domainName], ["/a", apiHost]);
        assert.equal(event.headers["x-forwarded-prefix"], `/lambda-url/${id}`);
      });

      it("has no answer for a host that is nobody's", async () => {
        const stranger = new Agent({ connect: { lookup: alwaysTo(address()), rejectUnauthorized: false } });
        const { statusCode, body } = await request("https://stranger.example.org/", { dispatcher: stranger });
        await body.dump();
        await stranger.destroy();
        assert.equal(statusCode, 404);
      });

      it("passes a stream on as it comes, of a function URL and of the AWS SDK", async () => {
        const { body } = await request(streamUrl, { dispatcher });
        assertUnbuffered(await arrivals(body as AsyncIterable<Buffer>));
        const { status } = await space.getFunction("stream");
        const command = new InvokeWithResponseStreamCommand({ FunctionName: status?.functionARN });
        const { EventStream = [] } = await sdk.send(command);
        assertUnbuffered(await arrivals(payloadsOf(EventStream as AsyncIterable<StreamPart>)));
      });

      const outcome = cutsOff === true ? "cuts a call off after a minute" : `lets a call take ${longCallMs / 1000} s`;
      it(outcome, async () => {
        if (cutsOff === true) assert.match(String(await late), /status 504/);
        else assert.equal(await late, "late");
      });
    });
  }

  /** The URL by host that the status shows, once it does. */
  async function urlOf(name: string): Promise<string> {
    return await waitUntil({ what: `URL of "${name}" by host`, timeoutMs: 60_000, everyMs: 250 }, async () => {
      const { status } = await space.getFunction(name);
      const shown = status?.functionURL ?? "none";
      if (/^https:\/\/[0-9a-z]{32}\.lambda-url\.us-east-1\.example\.org\/$/.test(shown)) return shown;
      throw new Error(`it is ${shown}`);
    });
  }

  /** The Secrets of the recipes, and one for the Gateway, by one authority. */
  async function certify(): Promise<{ authority: string; secrets: readonly Manifest[] }> {
    const folder = mkdtempSync(join(tmpdir(), "gateway-"));
    try {
      const signer = await createAuthority(folder, "gateway-ca");
      const secret = async (name: string, namespace: string, ...hosts: readonly string[]): Promise<Manifest> => {
        const subjectAltNames = hosts.map((host) => `DNS:${host}`).join(",");
        const { certFile, keyFile } = await issueCertificate(folder, signer, {
          ...{ name, subject: `/CN=${name}`, subjectAltNames },
        });
        const [cert, key] = [certFile, keyFile].map((file) => readFileSync(file, "utf8"));
        const stringData = { "tls.crt": cert, "tls.key": key };
        return {
          ...{ apiVersion: "v1", kind: "Secret", metadata: { name, namespace } },
          ...{ type: "kubernetes.io/tls", stringData },
        };
      };
      return {
        authority: readFileSync(signer.certFile, "utf8"),
        secrets: [
          await secret("lambda-tls", installNamespace, apiHost),
          await secret("lambda-urls-tls", installNamespace, urlHosts),
          await secret("edge-tls", space.name, apiHost, urlHosts),
        ],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
});

/** Every name leads to the address. */
function alwaysTo(address: string): LookupFunction {
  return (_name, options, callback) => {
    if (options.all === true) callback(null, [{ address, family: 4 }]);
    else callback(null, address, 4);
  };
}

interface StreamPart {
  readonly PayloadChunk?: { readonly Payload?: Uint8Array };
}

async function* payloadsOf(parts: AsyncIterable<StreamPart>): AsyncIterable<Buffer> {
  for await (const { PayloadChunk } of parts) yield Buffer.from(PayloadChunk?.Payload ?? []);
}

interface Arrival {
  readonly atMs: number;
  readonly text: string;
}

async function arrivals(parts: AsyncIterable<Buffer>): Promise<readonly Arrival[]> {
  const seen: Arrival[] = [];
  for await (const part of parts) {
    if (part.length > 0) seen.push({ atMs: performance.now(), text: part.toString() });
  }
  return seen;
}

/** All has come, and its first part most of the writer's pauses before the last. */
function assertUnbuffered(parts: readonly Arrival[]): void {
  assert.equal(parts.map(({ text }) => text).join(""), Array.from({ length: chunks }, (_, chunk) => chunk).join(""));
  const tookMs = (parts.at(-1)?.atMs ?? 0) - (parts[0]?.atMs ?? 0);
  assert.ok(tookMs > (chunks - 2) * pauseMs, `the last part came ${tookMs.toFixed(0)} ms after the first`);
}

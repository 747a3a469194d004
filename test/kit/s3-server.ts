/** A real S3-compatible server on a directory of its own: it checks signatures, policies and versions. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { freePorts } from "../../lib/free-ports.ts";
import { buildGoProgram, versitygw } from "../cluster/go-program.ts";
import {
  requestS3,
  type S3Bucket,
  type S3Credentials,
  type S3Request,
} from "../../runtime-proxy/packages/s3-request.ts";

export interface S3Server {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  /** Hosts `<bucket>.<domain>` are buckets too. */
  readonly domain: string;
  makeBucket(
    name: string,
    options?: { readonly isPublic?: boolean; readonly isVersioned?: boolean },
  ): Promise<S3Bucket>;
  /** Answers with the version's id, empty where versions are not kept. */
  put(bucket: string, key: string, bytes: Uint8Array): Promise<string>;
  remove(bucket: string, key: string): Promise<void>;
  stop(): Promise<void>;
}

export const s3Domain = "s3.test";
const readyMs = 20_000;

export interface S3ServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly progress?: (line: string) => void;
}

export async function startS3Server({ host = "127.0.0.1", progress }: S3ServerOptions = {}): Promise<S3Server> {
  const program = await buildGoProgram(versitygw, progress ?? (() => undefined));
  const directory = await mkdtemp(join(tmpdir(), "s3-server-"));
  const [data, versions, sidecar] = ["data", "versions", "sidecar"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [data, versions, sidecar]) await mkdir(path);
  const port = (await freePorts(1))[0] ?? 0;
  const region = "eu-test-1";
  const credentials = { accessKeyId: "tester", secretAccessKey: "secret/of+tester" };
  const common = [
    "--port",
    `${host}:${port}`,
    "--region",
    region,
    "--virtual-domain",
    `${s3Domain}:${port}`,
    "--quiet",
  ];
  const posix = ["posix", "--sidecar", sidecar, "--versioning-dir", versions, data];
  const child = spawn(program, [...common, ...posix], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ROOT_ACCESS_KEY_ID: credentials.accessKeyId, ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said = `${said}${chunk.toString("utf8")}`.slice(-4000)));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  await untilOpen(
    host,
    port,
    () => child.exitCode !== null,
    () => said,
  ).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const endpoint = `http://${host}:${port}`;
  const bucketOf = (bucket: string): S3Bucket => ({ endpoint, region, addressing: "path", bucket });
  const send = (bucket: string, request: S3Request) => sendAsRoot(bucketOf(bucket), credentials, request);
  return {
    ...{ endpoint, region, credentials, stop },
    domain: `${s3Domain}:${port}`,
    async makeBucket(name, { isPublic = false, isVersioned = false } = {}) {
      await send(name, { method: "PUT" });
      if (isPublic)
        await send(name, {
          method: "PUT",
          query: { policy: "" },
          body: Buffer.from(JSON.stringify(publicPolicy(name))),
        });
      if (isVersioned) await send(name, { method: "PUT", query: { versioning: "" }, body: Buffer.from(versioned) });
      return bucketOf(name);
    },
    put: async (bucket, key, body) => await send(bucket, { method: "PUT", key, body }),
    async remove(bucket, key) {
      await send(bucket, { method: "DELETE", key });
    },
  };
}

const versioned = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>`;

function publicPolicy(bucket: string): object {
  const statement = {
    Effect: "Allow",
    Principal: "*",
    Action: ["s3:GetObject"],
    Resource: [`arn:aws:s3:::${bucket}/*`],
  };
  return { Version: "2012-10-17", Statement: [statement] };
}

/** The version's id. */
async function sendAsRoot(bucket: S3Bucket, credentials: S3Credentials, request: S3Request): Promise<string> {
  const dispatcher = new Agent();
  try {
    const connection = { dispatcher, signal: AbortSignal.timeout(60_000), rules: () => undefined };
    const answer = await requestS3(connection, bucket, credentials, request);
    const text = await answer.body.text();
    if (answer.statusCode >= 300)
      throw new Error(`Cannot ${request.method} ${request.key ?? ""}: ${answer.statusCode} ${text}`);
    const version = answer.headers["x-amz-version-id"];
    return typeof version === "string" ? version : "";
  } finally {
    await dispatcher.destroy();
  }
}

async function untilOpen(host: string, port: number, isOver: () => boolean, said: () => string): Promise<void> {
  const deadline = Date.now() + readyMs;
  while (!(await isOpen(host, port))) {
    if (isOver() || Date.now() > deadline) throw new Error(`Cannot start the S3 server: ${said()}`);
    await sleep(30);
  }
}

function isOpen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

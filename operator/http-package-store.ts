import { request } from "undici";
import { z } from "zod";
import { imageAnswerSchema } from "../crds/wire/images.ts";
import { storeHeader, type ResolveAnswer } from "../crds/wire/packages.ts";
import { routes } from "../crds/wire/routes.ts";
import { KeptConnections } from "../lib/http/kept-connections.ts";
import { readBody } from "../lib/http/read-body.ts";
import type { PackageStoreClient } from "./package-store.ts";

export interface HttpPackageStoreOptions {
  /** `http://host:port` */
  readonly url: string;
  /** A token of the audience `packages`; read for each request, since the kubelet renews it. */
  readonly readToken: () => Promise<string>;
}

/** A store may fetch a url for minutes before it answers, ms. */
const answerTimeoutMs = 330_000;
const answerLimitBytes = 1024 * 1024;

const answerSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    package: z.object({
      digest: z.string(),
      codeSHA256: z.string(),
      zippedBytes: z.number(),
      unzippedBytes: z.number(),
      extensions: z.array(z.string()),
      revision: z.string().optional(),
    }),
  }),
  z.object({
    ok: z.literal(false),
    error: z.object({
      code: z.enum([
        "CodeTooLarge",
        "UnsafeArchiveEntry",
        "DigestMismatch",
        "InvalidArchive",
        "SourceUnreachable",
        "SourceCorrupt",
        "SourceRefused",
        "SourceForbidden",
        "SourceNotFound",
        "SecretNotFound",
        "FetchFailed",
        "PackageNotFound",
        "StoreUnavailable",
      ]),
      message: z.string(),
      entry: z.string().optional(),
      retryAfterMs: z.number().optional(),
    }),
  }),
]);

/** A store of an earlier release says nothing of what is missing. */
const collectAnswerSchema = z.object({ missing: z.record(z.string(), z.array(z.string())).default({}) });

/** The package store over HTTP. */
export function createHttpPackageStore({ url, readToken }: HttpPackageStoreOptions): PackageStoreClient {
  let storeId: string | undefined;
  let storeChanges = 0;
  const connections = new KeptConnections({});
  async function send(
    method: "GET" | "POST" | "PUT",
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      return await sendOnce(method, path, body, signal);
    } catch (error) {
      // Perhaps it was not the store that answered.
      connections.renew();
      throw error;
    }
  }

  async function sendOnce(method: string, path: string, body: unknown, signal: AbortSignal): Promise<unknown> {
    const response = await request(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${(await readToken()).trim()}`, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal,
      dispatcher: connections.dispatcher,
      headersTimeout: answerTimeoutMs,
      bodyTimeout: 30_000,
    });
    const text = (await readBody(response.body, answerLimitBytes)).toString("utf8");
    if (response.statusCode >= 300) {
      throw new Error(
        `Cannot ${method} "${path}": the package store answers ${response.statusCode}: ${text.slice(0, 500)}`,
      );
    }
    noteStore(response.headers[storeHeader]);
    return text === "" ? undefined : (JSON.parse(text) as unknown);
  }

  /** A store of an earlier release does not say. */
  function noteStore(id: string | readonly string[] | undefined): void {
    if (typeof id !== "string" || id === storeId) return;
    if (storeId !== undefined) storeChanges++;
    storeId = id;
  }

  return {
    resolve: async (wanted, signal) =>
      answerSchema.parse(await send("POST", routes.resolve, wanted, signal)) as ResolveAnswer,
    resolveImage: async (wanted, signal) =>
      imageAnswerSchema.parse(await send("POST", routes.resolveImage, wanted, signal)),
    putReferences: async (references, signal) =>
      collectAnswerSchema.parse(await send("PUT", routes.references, { references }, signal)).missing,
    identify: async (signal) => {
      await send("GET", routes.store, undefined, signal);
    },
    get storeChanges() {
      return storeChanges;
    },
  };
}

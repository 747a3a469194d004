/** Fetches an object of an S3-compatible service, without trusting endpoint, name service, server or bytes. */
import type { S3Source } from "../../crds/wire/packages.ts";
import { createBytesFetcher, type BytesFetched, type Connection, type FetcherOptions } from "./fetch-bytes.ts";
import { PackageError, quote } from "./package-error.ts";
import { readS3Failure, toSourceError } from "./s3-error.ts";
import { requestS3, type S3Credentials, type S3Request } from "./s3-request.ts";
import type { StagedContent } from "./store.ts";

export interface S3FetchRequest {
  readonly source: S3Source;
  /** Hex; absent: whatever is there is taken. */
  readonly sha256?: string | undefined;
  readonly into: StagedContent;
  /** Absent: only what everybody may read. */
  readonly credentials?: S3Credentials | undefined;
  /** Validator of what is known: see BytesRequest. */
  readonly known?: string | undefined;
}

/** Returns a function that fills staged content; it throws PackageError. */
export function createS3Fetcher(options: FetcherOptions): (request: S3FetchRequest) => Promise<BytesFetched> {
  const fetchBytes = createBytesFetcher(options);
  return async ({ source, sha256, into, credentials, known }) => {
    const { bucket, key, version } = source;
    const title = quote(`s3://${bucket}/${key}${version === undefined ? "" : `?versionId=${version}`}`);
    if (key.split("/").some((segment) => segment === "." || segment === "..")) {
      throw new PackageError(
        "SourceRefused",
        `Cannot fetch ${title}: no url can name a key with "." or ".." in its path`,
      );
    }
    const wanted: S3Request = { method: "GET", key, query: version === undefined ? {} : { versionId: version } };
    const origin = {
      title,
      sha256,
      request: (connection: Connection, headers: Readonly<Record<string, string>>) =>
        requestS3(connection, source, credentials, { ...wanted, headers }),
      // S3 knows no If-Range: a changed object is answered with 412.
      continueAt: (start: number, validator: string) => ({ range: `bytes=${start}-`, "if-match": validator }),
      refuse: async (answer: Parameters<typeof readS3Failure>[0]) =>
        toSourceError(title, await readS3Failure(answer), credentials !== undefined),
    };
    return await fetchBytes({ origin, into, known });
  };
}

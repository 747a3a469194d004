/** What an S3-compatible service's refusal means for whoever wrote the source. Source: Amazon S3 API reference, error responses. */
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import { readBody } from "../../lib/http/read-body.ts";
import { PackageError, quote } from "./package-error.ts";

export interface S3Failure {
  readonly statusCode: number;
  /** Empty where the answer has none. */
  readonly code: string;
  readonly message: string;
  /** The bucket's, where the service tells it. */
  readonly region?: string | undefined;
}

const bodyLimitBytes = 64 * 1024;

export async function readS3Failure({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<S3Failure> {
  const text = await readBody(body as unknown as Readable, bodyLimitBytes).then(
    (bytes) => bytes.toString("utf8"),
    () => "",
  );
  const header = headers["x-amz-bucket-region"];
  const region = typeof header === "string" ? header : element(text, "Region");
  return {
    ...{ statusCode, code: element(text, "Code") ?? "", message: element(text, "Message") ?? "" },
    ...(region !== undefined && { region }),
  };
}

/** Codes of refused credentials, which do not always come with status 401 or 403. */
const credentialCode = /^(ExpiredToken|InvalidToken|TokenRefreshRequired|InvalidAccessKeyId|.*UserNotFound)$/;
const temporaryStatuses: ReadonlySet<number> = new Set([408, 412, 416, 429]);

/** `title` is the object's, quoted. */
export function toSourceError(title: string, failure: S3Failure, isSigned: boolean): PackageError {
  const { statusCode, code, message, region } = failure;
  const said = [String(statusCode), code, message === "" ? "" : quote(message)].filter((part) => part !== "").join(" ");
  const cannot = `Cannot fetch ${title}: it answered ${said}`;
  if (statusCode === 401 || statusCode === 403 || credentialCode.test(code)) {
    const remedy = isSigned
      ? "let the credentials of s3Access.secretRef read it"
      : "name a Secret in s3Access.secretRef";
    return new PackageError("SourceForbidden", `${cannot}; ${remedy}`);
  }
  if (statusCode === 404) return new PackageError("SourceNotFound", cannot);
  const isElsewhere = statusCode >= 300 && statusCode < 400;
  if (isElsewhere || (statusCode === 400 && region !== undefined)) {
    const remedy =
      region === undefined ? "set s3Access.endpoint and region" : `set s3Access.region to ${quote(region)}`;
    return new PackageError("SourceRefused", `${cannot}; ${remedy}`);
  }
  const isWrong =
    statusCode >= 400 && statusCode < 500 && !temporaryStatuses.has(statusCode) && code !== "RequestTimeout";
  return new PackageError(isWrong ? "SourceRefused" : "SourceUnreachable", cannot);
}

/** Text of the first element of that name. */
export function element(xml: string, name: string): string | undefined {
  const text = new RegExp(`<${name}>([^<]{0,2000})</${name}>`).exec(xml)?.[1];
  return text?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? "");
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** Where a function's code or a layer's content comes from: one of several sources, resolved once to a digest. */
import { z } from "zod";
import { rule, withRules } from "../rule.ts";
import { ackReferenceSchema, keyReferenceSchema, nameReferenceSchema } from "./reference.ts";
import { isLonger, lengthOf, text } from "./text.ts";
import { mapOf } from "./collections.ts";

const sha256Schema = z.string().regex(/^([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)$/);

const ociSchema = z.object({
  reference: text(1024, 1).describe("registry/repository:tag or @sha256:…, also after oci://"),
  pullSecret: nameReferenceSchema
    .optional()
    .describe("Secret of type kubernetes.io/dockerconfigjson; none: a public repository"),
  path: z
    .string()
    .min(1)
    .max(512)
    .regex(/^\/?[^/\\]+(\/[^/\\]+)*\/?$/)
    .optional()
    .describe("Folder of its layers that is the package, e.g. /opt of an image; default: all of them"),
});

/** How to reach the bucket: what is absent is the installation's. */
const s3AccessSchema = z
  .object({
    endpoint: z
      .string()
      .min(1)
      .max(512)
      .regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+\/?$/)
      .optional()
      .describe("Of an S3-compatible service; default: the chart's packages.s3.endpoint, else AWS' own"),
    region: z
      .string()
      .min(1)
      .max(64)
      .regex(/^[A-Za-z0-9-]+$/)
      .optional()
      .describe("The bucket's; default: the chart's packages.s3.region, else its region"),
    addressing: z
      .enum(["path", "host"])
      .optional()
      .describe("Where the bucket's name stands; default: host for AWS, path for others"),
    secretRef: nameReferenceSchema
      .optional()
      .describe(
        "Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and perhaps AWS_SESSION_TOKEN; none: a public bucket",
      ),
  })
  .describe("Way to s3Bucket and the right to read it");

/** Schema bound of inline forms, above what the rules allow: the rules say what to do instead. */
const longestText = 3145728;
const inlineBytes = 1048576;
const instead = "use configMapRef, url, s3Bucket, oci or digest";

/** At most 1 MiB inline: etcd keeps no more in one object. */
const sourceShape = {
  files: mapOf(text(longestText), 256)
    .optional()
    .describe("File name → text, at most 1 MiB together; executable where the text begins with #!"),
  zipFile: z
    .string()
    .min(1)
    .max(longestText)
    .regex(/^[A-Za-z0-9+/=\r\n]+$/)
    .optional()
    .describe("Base64 of a zip of at most 1 MiB; larger ones: url, configMapRef, s3Bucket, oci or digest"),
  configMapRef: z
    .object({ name: text(253, 1), key: text(253, 1).optional() })
    .optional()
    .describe("With key: a zip in binaryData; without: every key is a file"),
  url: z
    .string()
    .min(1)
    .max(2048)
    .regex(/^https?:\/\//)
    .optional()
    .describe("http or https; needs sha256"),
  sha256: sha256Schema.optional().describe("Of the zip: 64 hex digits, or base64 as AWS shows it"),
  urlSecretRef: keyReferenceSchema.optional().describe("Authorization header for url"),
  s3Bucket: text(63, 3).optional(),
  s3BucketRef: ackReferenceSchema.optional().describe("As ACK has it; name the bucket in s3Bucket"),
  s3Key: text(1024, 1).optional(),
  s3ObjectVersion: text(1024, 1).optional(),
  s3Access: s3AccessSchema.optional(),
  recheckSeconds: z
    .int()
    .min(30)
    .max(604800)
    .optional()
    .describe(
      "Other bytes under s3Key, or another artifact under a tag, are seen and used after so long; absent: only when the spec changes",
    ),
  oci: ociSchema.optional().describe("An artifact or image in a registry: one zip, or tar layers that are merged"),
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional()
    .describe("Pushed before, to this namespace, by kubelambda push"),
};

const sources = ["files", "zipFile", "configMapRef", "url", "s3Bucket", "s3BucketRef", "oci", "digest"] as const;

function exactlyOne(names: readonly string[]): { cel: string; predicate: (value: object) => boolean; message: string } {
  return {
    cel: `[${names.map((name) => `has(self.${name})`).join(", ")}].filter(x, x).size() == 1`,
    predicate: (value) => names.filter((name) => (value as Record<string, unknown>)[name] !== undefined).length === 1,
    message: `exactly one source is needed: ${names.join(", ")}`,
  };
}

const inlineRules = [
  rule<{ files?: Readonly<Record<string, string>> | undefined }>(
    "!has(self.files) || size(self.files) > 0",
    ({ files }) => files === undefined || Object.keys(files).length > 0,
    "files needs at least one file",
  ),
  rule<{ files?: Readonly<Record<string, string>> | undefined }>(
    "!has(self.files) || self.files.all(name, size(name) <= 512 && name.matches('^[^/\\\\\\\\]+(/[^/\\\\\\\\]+)*$') && !name.matches('(^|/)[.][.]?(/|$)'))",
    ({ files }) =>
      Object.keys(files ?? {}).every(
        (name) => !isLonger(name, 512) && /^[^/\\]+(\/[^/\\]+)*$/.test(name) && !/(^|\/)\.\.?(\/|$)/.test(name),
      ),
    'names of files are relative paths without "." and "..", at most 512 characters',
  ),
  rule<{ files?: Readonly<Record<string, string>> | undefined }>(
    `!has(self.files) || size(self.files) == 0 || self.files.map(name, size(self.files[name])).sum() <= ${inlineBytes}`,
    ({ files }) => Object.values(files ?? {}).reduce((sum, text) => sum + lengthOf(text), 0) <= inlineBytes,
    `files hold at most 1 MiB together: ${instead}`,
  ),
  rule<{ zipFile?: string | undefined }>(
    `!has(self.zipFile) || size(self.zipFile) <= ${base64Length(inlineBytes)}`,
    ({ zipFile }) => (zipFile ?? "").length <= base64Length(inlineBytes),
    `zipFile holds a zip of at most 1 MiB: ${instead}`,
  ),
];

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

const referenceRules = [
  rule<{ url?: string | undefined; sha256?: string | undefined }>(
    "!has(self.url) || has(self.sha256)",
    ({ url, sha256 }) => url === undefined || sha256 !== undefined,
    "url needs sha256: the digest of the zip that it names",
  ),
  rule<{ s3Bucket?: string | undefined; s3BucketRef?: unknown; s3Key?: string | undefined }>(
    "!(has(self.s3Bucket) || has(self.s3BucketRef)) || has(self.s3Key)",
    ({ s3Bucket, s3BucketRef, s3Key }) => (s3Bucket === undefined && s3BucketRef === undefined) || s3Key !== undefined,
    "s3Bucket needs s3Key",
  ),
  rule<{ s3Access?: unknown; s3Bucket?: string | undefined; s3BucketRef?: unknown }>(
    "!has(self.s3Access) || has(self.s3Bucket) || has(self.s3BucketRef)",
    ({ s3Access, s3Bucket, s3BucketRef }) =>
      s3Access === undefined || s3Bucket !== undefined || s3BucketRef !== undefined,
    "s3Access needs s3Bucket",
  ),
  rule<{
    recheckSeconds?: number | undefined;
    s3Bucket?: string | undefined;
    s3ObjectVersion?: string | undefined;
    oci?: { reference: string } | undefined;
    sha256?: string | undefined;
  }>(
    "!has(self.recheckSeconds) || (!has(self.sha256) && (has(self.s3Bucket) && !has(self.s3ObjectVersion) || has(self.oci) && !self.oci.reference.contains('@')))",
    ({ recheckSeconds, s3Bucket, s3ObjectVersion, oci, sha256 }) =>
      recheckSeconds === undefined ||
      (sha256 === undefined &&
        ((s3Bucket !== undefined && s3ObjectVersion === undefined) ||
          (oci !== undefined && !oci.reference.includes("@")))),
    "recheckSeconds is for what can change: s3Bucket without s3ObjectVersion, or oci by a tag, without sha256",
  ),
];

/** Of a Function: also an image. */
export const codeSchema = withRules(
  z.object({
    ...sourceShape,
    imageURI: text(1024, 1).optional().describe("Container image; needs packageType Image"),
  }),
  [exactlyOne([...sources, "imageURI"]), ...inlineRules, ...referenceRules],
);
export type Code = z.output<typeof codeSchema>;

/** Of a Layer. */
export const contentSchema = withRules(z.object(sourceShape), [exactlyOne(sources), ...inlineRules, ...referenceRules]);
export type Content = z.output<typeof contentSchema>;

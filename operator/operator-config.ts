import { z } from "zod";
import { runtimeStates } from "./controllers/function/runtime-table.ts";
import { agentNodeOptions, assembleNodeOptions } from "./environment-settings.ts";
import { ports } from "../crds/wire/routes.ts";
import { booleanVariable, integerVariable, listVariable } from "../lib/config.ts";
import { logLevels } from "../lib/logger.ts";

const portVariable = (preset: number) => integerVariable({ min: 0, max: 65_535 }).default(preset);
const percentVariable = () => integerVariable({ min: 1, max: 100 }).default(100);
const commandVariable = (preset: string) =>
  z
    .string()
    .default(preset)
    .transform((text) => text.split(" ").filter((word) => word !== ""));

/** The operator's environment variables; unknown ones are ignored. */
export const operatorConfigSchema = z.object({
  /** The install namespace: Lease, signing key and the operator's own pod. */
  KUBELAMBDA_NAMESPACE: z.string().min(1),
  /** Absent outside of a pod: then nothing is labelled. */
  KUBELAMBDA_POD_NAME: z.string().optional(),
  KUBELAMBDA_POD_UID: z.string().optional(),
  /** Our own image, for `assemble` and `agent`. */
  KUBELAMBDA_IMAGE: z.string().min(1),
  /** Words separated by spaces. */
  KUBELAMBDA_ASSEMBLE_COMMAND: commandVariable(`node ${assembleNodeOptions.join(" ")} /kubelambda/assemble.cjs`),
  KUBELAMBDA_AGENT_COMMAND: commandVariable(`node ${agentNodeOptions.join(" ")} /kubelambda/agent.cjs`),
  /** JSON: runtime identifier → image and state. */
  KUBELAMBDA_RUNTIMES_FILE: z.string().default("/etc/kubelambda/runtimes.json"),
  KUBELAMBDA_PACKAGES_URL: z.url(),
  /** Of the caches on the nodes; empty: there are none. */
  KUBELAMBDA_CACHE_URL: z.union([z.literal(""), z.url()]).default(""),
  /** Where agents announce themselves. */
  KUBELAMBDA_ROUTER_URL: z.url(),
  /** Where functions find the Invoke API: AWS SDKs inside get it as AWS_ENDPOINT_URL_LAMBDA. Absent: they are not told. */
  KUBELAMBDA_LAMBDA_URL: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
  KUBELAMBDA_ROUTER_SERVICE_ACCOUNT: z
    .string()
    .regex(/^[^/]+\/[^/]+$/, "expected namespace/name")
    .transform((text) => ({ namespace: text.split("/")[0] ?? "", serviceAccount: text.split("/")[1] ?? "" })),
  /** Of the audience `packages`. */
  KUBELAMBDA_TOKEN_FILE: z.string().default("/var/run/secrets/kubelambda/packages"),
  KUBELAMBDA_SIGNING_KEY_SECRET: z.string().min(1).default("kubelambda-router-signing-key"),
  KUBELAMBDA_REGION: z.string().min(1).default("us-east-1"),
  /** Of function URLs, with `{id}`. */
  KUBELAMBDA_FUNCTION_URL: z
    .string()
    .regex(
      /^https?:\/\/(\{id\}\.lambda-url\..+|.+\/lambda-url\/\{id\})\/$/,
      "expected https://{id}.lambda-url.<domain>/ or https://<host>/lambda-url/{id}/",
    )
    .default("http://kubelambda-router/lambda-url/{id}/"),
  /** Holds the key that their ids come from; made when it is not there. */
  KUBELAMBDA_FUNCTION_URL_KEY_SECRET: z.string().min(1).default("kubelambda-function-url-key"),
  /** Where s3Bucket is looked for when s3Access does not say; empty: AWS' own. */
  KUBELAMBDA_S3_ENDPOINT: z
    .string()
    .default("")
    .transform((text) => text.replace(/\/$/, "")),
  /** Empty: KUBELAMBDA_REGION. */
  KUBELAMBDA_S3_REGION: z.string().default(""),
  KUBELAMBDA_S3_ADDRESSING: z.enum(["", "path", "host"]).default(""),
  /** As the package store's: pods that fetch go by the same. */
  KUBELAMBDA_URL_ALLOWED_CIDRS: listVariable(),
  KUBELAMBDA_URL_DENIED_CIDRS: listVariable(),
  KUBELAMBDA_IDLE_TIMEOUT_SECONDS: integerVariable({ min: 1, max: 86_400 }).default(300),
  /** An environment that is older is replaced; 0: none is. Source: Lambda developer guide, lambda-runtime-environment: every few hours. */
  KUBELAMBDA_MAX_AGE_SECONDS: integerVariable({ min: 0, max: 604_800 }).default(14_400),
  /** Most environments of a function without reserved concurrency. */
  KUBELAMBDA_MAX_ENVIRONMENTS: integerVariable({ min: 1, max: 100_000 }).default(1000),
  /** Concurrent invocations of a namespace: as the routers'. */
  KUBELAMBDA_ACCOUNT_CONCURRENCY: integerVariable({ min: 0, max: 1_000_000 }).default(1000),
  /** What of these reservations and provisioned concurrency leave for the others. Source: Lambda developer guide, lambda-concurrency, 100. */
  KUBELAMBDA_UNRESERVED_CONCURRENCY: integerVariable({ min: 0, max: 1_000_000 }).default(100),
  KUBELAMBDA_CPU_POLICY: z.enum(["burst", "proportional", "none"]).default("burst"),
  KUBELAMBDA_CPU_REQUEST_PERCENT: percentVariable(),
  KUBELAMBDA_MEMORY_REQUEST_PERCENT: percentVariable(),
  KUBELAMBDA_TMP_MEDIUM: z.enum(["", "Memory"]).default(""),
  /** Between invocations the supervisors stop the function's processes by signal. */
  KUBELAMBDA_STOP_BETWEEN_INVOCATIONS: booleanVariable().default(false),
  /** Of a streamed response after its first 6 MiB; 0: no limit. Source: Lambda quotas, 2 MB/s. */
  KUBELAMBDA_STREAM_BYTES_PER_SECOND: integerVariable({ min: 0, max: 1_000_000_000 }).default(2_097_152),
  /** Functions that need nothing of their own in a pod's spec run in pods that could be any such function's. */
  KUBELAMBDA_GENERIC_PODS: booleanVariable().default(false),
  /** Agents bring code and layers in all other pods too, instead of an init container. */
  KUBELAMBDA_AGENTS_FILL: booleanVariable().default(false),
  /** Generic pods that wait for a namespace, an image and a memory size that were called for lately; 0: none. */
  KUBELAMBDA_POOL_SIZE: integerVariable({ min: 0, max: 100 }).default(0),
  /** How long ago "lately" may be. */
  KUBELAMBDA_POOL_KEEP_SECONDS: integerVariable({ min: 1, max: 86_400 }).default(600),
  /** Most that wait in one namespace, and in all together. */
  KUBELAMBDA_POOL_PER_NAMESPACE: integerVariable({ min: 1, max: 1000 }).default(4),
  KUBELAMBDA_POOL_TOTAL: integerVariable({ min: 1, max: 10_000 }).default(40),
  /** How long environments stay on a node that is not ready or unreachable. */
  KUBELAMBDA_NODE_LOST_SECONDS: integerVariable({ min: 0, max: 86_400 }).default(30),
  KUBELAMBDA_RUNTIME_CLASS: z.string().optional(),
  KUBELAMBDA_IMAGE_PULL_POLICY: z.enum(["Always", "IfNotPresent", "Never"]).default("IfNotPresent"),
  /** Absent: all namespaces. */
  KUBELAMBDA_WATCH_NAMESPACE: z.string().optional(),
  KUBELAMBDA_LEADER_ELECTION: booleanVariable().default(true),
  KUBELAMBDA_LISTEN_HOST: z.string().default("0.0.0.0"),
  /** 0 chooses a free one, here and below. */
  KUBELAMBDA_HEALTH_PORT: portVariable(ports.health),
  KUBELAMBDA_INTERNAL_PORT: portVariable(ports.operatorInternal),
  /** Between two lists of packages that are needed. */
  KUBELAMBDA_REFERENCES_SECONDS: integerVariable({ min: 1, max: 86_400 }).default(60),
  /** Registries (`host` or `host:port`, with commas) that pods with pull secrets speak plain HTTP to. */
  KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: z.string().default(""),
  /** Certificates (PEM) that registries may be signed by, beside the public authorities; empty: none. */
  KUBELAMBDA_REGISTRY_CA_FILE: z.string().default(""),
  /** Between two looks at the tag of a function's image. */
  KUBELAMBDA_IMAGE_RECHECK_SECONDS: integerVariable({ min: 1, max: 604_800 }).default(300),
  KUBELAMBDA_LOG_LEVEL: z.enum(logLevels).default("info"),
});
export type OperatorConfig = z.infer<typeof operatorConfigSchema>;

/** The chart's table of runtimes, as its file holds it. */
export const runtimesSchema = z.record(
  z.string(),
  z
    .object({
      image: z.string().min(1).optional(),
      state: z.enum(runtimeStates).default("supported"),
      deprecationDate: z.iso.date().optional(),
    })
    .refine(
      ({ image, state }) => image !== undefined || state === "updateBlocked",
      "image is needed unless state is updateBlocked",
    ),
);

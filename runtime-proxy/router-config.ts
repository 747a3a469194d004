import { z } from "zod";
import { ports } from "../crds/wire/routes.ts";
import { integerVariable, listVariable, pairsVariable, ratioVariable } from "../lib/config.ts";
import { logLevels } from "../lib/logger.ts";
import { authModes } from "./access/access-control.ts";

const port = integerVariable({ min: 0, max: 65_535 });

/** Environment variables of the router. Times in ms unless the name says otherwise. */
export const routerConfigSchema = z.object({
  /** Which address all ports listen on. */
  KUBELAMBDA_LISTEN_HOST: z.string().default("0.0.0.0"),
  KUBELAMBDA_INVOKE_PORT: port.default(ports.invoke),
  KUBELAMBDA_INTERNAL_PORT: port.default(ports.routerInternal),
  /** Of `kubelambda top`; absent: it is not served. */
  KUBELAMBDA_TOP_PORT: port.optional(),
  KUBELAMBDA_HEALTH_PORT: port.default(ports.health),
  KUBELAMBDA_OPERATOR_URL: z.url({ protocol: /^http$/ }),
  /** Holds the service account token for the operator. */
  KUBELAMBDA_TOKEN_FILE: z.string().default("/var/run/secrets/kubelambda/operator"),
  /** Namespace of a bare function name. */
  KUBELAMBDA_DEFAULT_NAMESPACE: z.string().default("default"),
  /** Hosts `<namespace>.<domain>` choose a namespace; absent: none does. */
  KUBELAMBDA_DOMAIN: z.string().optional(),
  /** Hosts `<url-id>.<suffix>` are function URLs; absent: they are found by path alone. */
  KUBELAMBDA_FUNCTION_URL_HOST: z.string().default(""),
  /** Ranges, with commas, of proxies whose word on who their client is counts. */
  KUBELAMBDA_TRUSTED_PROXIES: listVariable(),
  KUBELAMBDA_REGION: z.string().default("us-east-1"),
  KUBELAMBDA_POD_UID: z.string(),
  /** Namespace of this installation. */
  KUBELAMBDA_NAMESPACE: z.string(),
  /** Secret with key `router-signing-key.pem` (PKCS8, Ed25519), which the operator makes. */
  KUBELAMBDA_SIGNING_KEY_SECRET: z.string().default("kubelambda-router-signing-key"),
  /** Concurrent calls of a namespace. Source: Lambda quotas, 1,000 per region. */
  KUBELAMBDA_ACCOUNT_CONCURRENCY: integerVariable({ min: 0, max: 1_000_000 }).default(1000),
  /** Calls a second for each one that may run at once, of an account and of a function with a reservation; 0: no limit. Source: Lambda quotas, 10. */
  KUBELAMBDA_REQUESTS_PER_CONCURRENCY: integerVariable({ min: 0, max: 1_000_000 }).default(10),
  /** New environments of one function within 10 s. Source: Lambda developer guide, scaling-behavior, 1,000. */
  KUBELAMBDA_SCALING_BURST: integerVariable({ min: 1, max: 1_000_000 }).default(1000),
  /** Longest wait of a call for an execution environment. */
  KUBELAMBDA_ENVIRONMENT_WAIT_MS: integerVariable({ min: 1, max: 900_000 }).default(60_000),
  /** Most calls of one function that wait at once. */
  KUBELAMBDA_WAITING_CALLS: integerVariable({ min: 0, max: 1_000_000 }).default(1000),
  /** Most bytes of request bodies in memory. */
  KUBELAMBDA_BODY_MEMORY_BYTES: integerVariable({ min: 1, max: 2 ** 40 }).default(256 * 1024 * 1024),
  /** Most requests that wait for room for their body. */
  KUBELAMBDA_WAITING_BODIES: integerVariable({ min: 0, max: 1_000_000 }).default(1000),
  /** Longest wait for that room. */
  KUBELAMBDA_BODY_WAIT_MS: integerVariable({ min: 1, max: 900_000 }).default(10_000),
  /** Longest time in which a request's body has to arrive. */
  KUBELAMBDA_BODY_TIMEOUT_MS: integerVariable({ min: 1, max: 900_000 }).default(60_000),
  /** Most bytes of answers in memory; those up to 16 KiB, and streams, take none of it. */
  KUBELAMBDA_ANSWER_MEMORY_BYTES: integerVariable({ min: 1, max: 2 ** 40 }).default(256 * 1024 * 1024),
  /** Longest wait of an answer for that room; its environment is held so long, and gives up after 60 s. */
  KUBELAMBDA_ANSWER_WAIT_MS: integerVariable({ min: 1, max: 55_000 }).default(50_000),
  /** Most open connections of callers, on each port that takes calls. */
  KUBELAMBDA_CONNECTIONS: integerVariable({ min: 1, max: 1_000_000 }).default(10_000),
  /** Longest time for which a client may take nothing of an answer. */
  KUBELAMBDA_ANSWER_STALL_MS: integerVariable({ min: 1, max: 900_000 }).default(60_000),
  /** A router that ends goes on as before for so long: until then load balancers send it calls. */
  KUBELAMBDA_DRAIN_MS: integerVariable({ min: 0, max: 600_000 }).default(5000),
  /** Longest dial of an agent. */
  KUBELAMBDA_DIAL_MS: integerVariable({ min: 1, max: 60_000 }).default(1000),
  /** Absent: all namespaces. */
  KUBELAMBDA_WATCH_NAMESPACE: z.string().optional(),
  /** Whom the Invoke API lets in. */
  KUBELAMBDA_AUTH_MODE: z.enum(authModes).default("required"),
  /** Secret of the install namespace with access keys. */
  KUBELAMBDA_ACCESS_KEYS_SECRET: z.string().default("kubelambda-access-keys"),
  /** Holds tls.crt and tls.key; absent: no HTTPS. */
  KUBELAMBDA_TLS_DIRECTORY: z.string().optional(),
  KUBELAMBDA_TLS_PORT: port.default(ports.invokeTls),
  /** Base URL of an OTLP/HTTP collector, which gets the spans of sampled calls; absent: none are written. */
  KUBELAMBDA_OTLP_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  KUBELAMBDA_OTLP_HEADERS: pairsVariable(),
  /** Share of the calls whose callers have not decided that are sampled, whatever their function says. */
  KUBELAMBDA_TRACE_SAMPLING_RATIO: ratioVariable().default(0),
  /** A JSON line for each call, on standard output. */
  KUBELAMBDA_ACCESS_LOG: z.enum(["none", "all", "sampled"]).default("none"),
  /** Of a sampled log: share of the calls that went well; all others have a line. */
  KUBELAMBDA_ACCESS_LOG_RATIO: ratioVariable().default(0.01),
  KUBELAMBDA_LOG_LEVEL: z.enum(logLevels).default("info"),
});

export type RouterConfig = z.infer<typeof routerConfigSchema>;

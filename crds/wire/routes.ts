/** Ports, paths and token audiences by which our processes meet. */

export const ports = {
  /** Router: Invoke API (the Service shows it as 80). */
  invoke: 8080,
  /** Router: the same over TLS, where there is a certificate (the Service shows it as 443). */
  invokeTls: 8443,
  /** Router: announcements of environments, from agents, and questions of other routers. */
  routerInternal: 19002,
  /** Agent on the pod's address: invocations, from routers only. */
  agent: 19001,
  /** Agent on the pod's loopback: Runtime, Extensions and Telemetry API. */
  runtimeApi: 9001,
  /** Package store. */
  packages: 8200,
  /** Package store: what users push, through the API server or from within the cluster. */
  push: 8201,
  /** Router: what `kubelambda top` asks, through the API server or from within the cluster. */
  top: 8202,
  /** Operator: load reports, from routers only. */
  operatorInternal: 8300,
  /** Every process but the agent: /healthz, /readyz, /metrics. */
  health: 9090,
} as const;

export const routes = {
  /** PUT to the router, body `EnvironmentAnnouncement`, bearer token of audience `router`: 204 when acknowledged. */
  environment: (podUid: string): string => `/v1/environments/${podUid}`,
  /** POST to the router, bearer token of audience `router`: 204, and nothing but that the token is known when something is announced. */
  greeting: "/v1/greeting",
  /** POST to the router, bearer token of audience `router`: `FunctionCredentials` of the pod that the token is of. */
  credentials: "/v1/credentials",
  /** POST to the agent, body the event, bearer claim for the pod's uid: see wire/environment.ts. */
  invocation: (requestId: string): string => `/v1/invocations/${requestId}`,
  /** GET from the agent, bearer claim: `EnvironmentAnnouncement` as it stands now. */
  state: "/v1/state",
  /**
   * POST to the agent, bearer claim, headers `x-kubelambda-grant` (a position) and `x-kubelambda-owner`: from now on the agent takes
   * nothing that stands before. `EnvironmentAnnouncement` after that; its position tells whether a newer owner has spoken.
   */
  claim: "/v1/claim",
  /** POST to the agent of a generic pod by the operator, bearer claim for this purpose, body `Assignment`: `Assigned` (wire/assignment.ts). GET: the same, and nothing changes. */
  assignment: "/v1/assignment",
  /** Upgrade to `kubelambda-peer` between routers, bearer claim for the pod's uid of the one that is called: ownership/peer-messages.ts. */
  peer: "/v1/peer",
  /** GET from a router, on the port for it with a caller's token, or on the internal one with another router's claim: `TopAnswer`. */
  top: "/v1/top",
  /** POST to the operator, body `LoadReport`, bearer token of audience `operator`: `LoadReportAnswer`. */
  load: "/v1/load",
  /** POST to the package store, body `ResolveRequest`: `ResolveAnswer`. */
  resolve: "/v1/resolve",
  /** POST to the package store, body `ResolveImageRequest`: `ImageAnswer`. */
  resolveImage: "/v1/resolve-image",
  /** POST to the package store, body a zip, from a pod of the namespace that may read it afterwards: `ResolveAnswer`. */
  packages: "/v1/packages",
  /** POST to the package store's port for pushing, body the zip of that digest, or nothing to ask whether it is there: `ResolveAnswer`. */
  push: (digest: string): string => `/v1/push/${digest.replace(":", "/")}`,
  /** GET (Range allowed) or HEAD from the package store: the zip's bytes. */
  object: (digest: string): string => `/v1/objects/${digest.replace(":", "/")}`,
  /** GET from the package store, by the operator: nothing but the header that says which store it is. */
  store: "/v1/store",
  /** PUT to the package store, body `References`: everything that is still needed. */
  references: "/v1/references",
} as const;

/** Audiences of projected service account tokens: a token for one process opens no other. */
export const audiences = {
  router: "router.kubelambda.dev",
  operator: "operator.kubelambda.dev",
  packages: "packages.kubelambda.dev",
  /** Of `kubelambda top`, for who has no token of its own. */
  top: "top.kubelambda.dev",
  /** Of callers: `kubectl create token <account> --audience lambda.kubelambda.dev` makes one that opens nothing else. */
  lambda: "lambda.kubelambda.dev",
} as const;

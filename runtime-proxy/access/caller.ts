/** Who calls: the same for every entry, whatever the caller showed. */
export interface Caller {
  /** As Kubernetes knows it, e.g. `system:serviceaccount:team-a:ci`. */
  readonly userName: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  /** What an authenticator adds, for the authorizer. */
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** Of its ServiceAccount; absent for people and for nobody. */
  readonly namespace?: string;
  readonly how: "accessKey" | "functionCredentials" | "token" | "anonymous";
  /** Of a signature. */
  readonly accessKeyId?: string;
}

/** Who shows nothing. */
export const anonymous: Caller = {
  userName: "system:anonymous",
  groups: ["system:unauthenticated"],
  how: "anonymous",
};

/** What a ServiceAccount is to the authorizers. Source: Kubernetes, Service Account tokens. */
export function serviceAccountUser(namespace: string, name: string): Pick<Caller, "userName" | "groups" | "namespace"> {
  return {
    userName: `system:serviceaccount:${namespace}:${name}`,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    namespace,
  };
}

/** The namespace of `system:serviceaccount:<namespace>:<name>`. */
export function namespaceOfUser(userName: string): string | undefined {
  return /^system:serviceaccount:([^:]+):[^:]+$/.exec(userName)?.[1];
}

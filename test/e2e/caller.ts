import { join } from "node:path";
import { repositoryRoot } from "../cluster/paths.ts";
import { run } from "../cluster/run.ts";
import type { Cluster } from "../cluster/any-cluster.ts";
import { callAs } from "./invoke.ts";

const name = "e2e-caller";
/** Longer than any run of these tests. */
const tokenDuration = "4h";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

type Kubectl = (args: readonly string[], options?: { readonly input: string }) => Promise<string>;

/** Makes an account that may call every function; answers with the header that shows it. */
export async function authorizeCaller(kubectl: Kubectl): Promise<string> {
  const metadata = { name, namespace: "default" };
  const invoke = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "kubelambda-invoke" };
  const subjects = [{ kind: "ServiceAccount", ...metadata }];
  const items = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: invoke,
      subjects,
    },
  ];
  await kubectl(["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
  const token = await kubectl(["create", "token", name, "-n", "default", "--duration", tokenDuration]);
  return `Bearer ${token.trim()}`;
}

/** As this account invoke() calls, and AWS clients sign with the access key that is returned. */
export async function prepareCaller(cluster: Pick<Cluster, "kubeconfig">, kubectl: Kubectl): Promise<AwsCredentials> {
  callAs(await authorizeCaller(kubectl));
  const kubelambda = async (...args: readonly string[]): Promise<string> =>
    await run(process.execPath, [join(repositoryRoot, "operator/cli/main.ts"), ...args], {
      env: { KUBECONFIG: cluster.kubeconfig },
      timeoutMs: 60_000,
    });
  const made = await kubelambda("access-key", "create", "--service-account", `default/${name}`, "--output", "json");
  const { AccessKey } = JSON.parse(made) as { AccessKey: { AccessKeyId: string; SecretAccessKey: string } };
  return { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
}

/** The variables by which an AWS client signs. */
export function awsEnvironment({ credentials }: { readonly credentials: AwsCredentials }): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };
}

import { registryName } from "./containerd.ts";
import { dnsAddress } from "./node-daemons.ts";
import { bridge } from "./node-network.ts";

export const dnsImage = "kubelambda.test/coredns:1";

const labels = { "k8s-app": "kube-dns" };

const corefile = `.:53 {
    errors
    health :8080
    ready :8181
    hosts {
        ${bridge.address} ${registryName}
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        fallthrough in-addr.arpa
    }
    forward . /etc/resolv.conf
}
`;

/** CoreDNS as clusters have it: labels, names and address are those that network policies and tools look for. */
export function clusterDnsObjects(): object {
  const namespace = "kube-system";
  const meta = (name: string): object => ({ name, namespace, labels });
  const reads = (apiGroups: string[], resources: string[]): object => ({
    apiGroups,
    resources,
    verbs: ["list", "watch"],
  });
  return {
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "ServiceAccount", metadata: meta("coredns") },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "system:coredns" },
        rules: [reads([""], ["services", "pods", "namespaces"]), reads(["discovery.k8s.io"], ["endpointslices"])],
      },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "system:coredns" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
        subjects: [{ kind: "ServiceAccount", name: "coredns", namespace }],
      },
      { apiVersion: "v1", kind: "ConfigMap", metadata: meta("coredns"), data: { Corefile: corefile } },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: meta("kube-dns"),
        spec: {
          clusterIP: dnsAddress,
          selector: labels,
          ports: [
            { name: "dns", port: 53, protocol: "UDP" },
            { name: "dns-tcp", port: 53, protocol: "TCP" },
          ],
        },
      },
      { apiVersion: "apps/v1", kind: "Deployment", metadata: meta("coredns"), spec: deployment() },
    ],
  };
}

function deployment(): object {
  return {
    replicas: 1,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        serviceAccountName: "coredns",
        dnsPolicy: "Default",
        priorityClassName: "system-cluster-critical",
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: "coredns",
            image: dnsImage,
            imagePullPolicy: "IfNotPresent",
            args: ["-conf", "/etc/coredns/Corefile"],
            volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
            readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 1 },
            securityContext: {
              allowPrivilegeEscalation: false,
              capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] },
              readOnlyRootFilesystem: true,
            },
          },
        ],
        volumes: [{ name: "config", configMap: { name: "coredns" } }],
      },
    },
  };
}

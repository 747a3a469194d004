/** A mutating webhook like those by which clouds give pods an identity, in a pod of the namespace and for its pods alone. */
import { servingPort, startServingPod, tlsFolder } from "./serving-pod.ts";
import type { Space } from "./space.ts";

const name = "identity-webhook";

/** What is injected into every container that does not ask to be passed by. */
export const injected = {
  AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/worker",
  AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
  AWS_STS_REGIONAL_ENDPOINTS: "regional",
  AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://169.254.170.23/v1/credentials",
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:
    "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token",
  AZURE_CLIENT_ID: "00000000-0000-0000-0000-000000000000",
  AZURE_FEDERATED_TOKEN_FILE: "/var/run/secrets/azure/tokens/azure-identity-token",
  GOOGLE_APPLICATION_CREDENTIALS: "/var/run/secrets/gcloud/config/federation.json",
} as const;
/** The same webhooks, or ones for private clusters, set these too; none may reach a function. */
export const kubernetesOwn = { KUBERNETES_SERVICE_HOST: "api.example.com", AWS_REGION: "eu-north-1" } as const;

const source = `
const { createServer } = require("node:https");
const { readFileSync } = require("node:fs");
const variables = ${JSON.stringify({ ...injected, ...kubernetesOwn })};
const volume = { name: "aws-iam-token", projected: { sources: [{ serviceAccountToken: { audience: "sts.amazonaws.com", expirationSeconds: 86400, path: "token" } }] } };
const mount = { name: "aws-iam-token", mountPath: "/var/run/secrets/eks.amazonaws.com/serviceaccount", readOnly: true };
const into = (kind, containers, skipped) => (containers ?? []).flatMap((container, index) => skipped.includes(container.name) ? [] : [
  { op: "add", path: "/spec/" + kind + "/" + index + "/env", value: [...(container.env ?? []), ...Object.entries(variables).map(([name, value]) => ({ name, value }))] },
  { op: "add", path: "/spec/" + kind + "/" + index + "/volumeMounts", value: [...(container.volumeMounts ?? []), mount] },
]);
createServer({ cert: readFileSync("${tlsFolder}/tls.crt"), key: readFileSync("${tlsFolder}/tls.key") }, async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const review = JSON.parse(Buffer.concat(parts));
  const { spec, metadata } = review.request.object;
  const skipped = (metadata.annotations?.["eks.amazonaws.com/skip-containers"] ?? "").split(",");
  const patch = spec.serviceAccountName !== "worker" ? [] : [
    { op: "add", path: "/spec/volumes", value: [...(spec.volumes ?? []), volume] },
    ...into("containers", spec.containers, skipped), ...into("initContainers", spec.initContainers, skipped),
  ];
  const answer = { uid: review.request.uid, allowed: true, patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer }));
}).listen(${servingPort});
`;

/** Resolves once it is asked about every new pod of the namespace; returns how to end that. */
export async function startPodWebhook(space: Space): Promise<() => Promise<void>> {
  const caBundle = await startServingPod(space, { name, source });
  const configuration = `${name}-${space.name}`;
  await space.apply({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: configuration },
    webhooks: [
      {
        name: `${name}.kubelambda.test`,
        clientConfig: { service: { name, namespace: space.name }, caBundle },
        namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": space.name } },
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        failurePolicy: "Fail",
        timeoutSeconds: 5,
      },
    ],
  });
  return async () => {
    await space.kubectl("delete", "mutatingwebhookconfiguration", configuration, "--ignore-not-found");
  };
}

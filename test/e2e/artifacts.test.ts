import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { API_VERSION } from "../../crds/names.ts";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { bridge } from "../cluster/node-network.ts";
import { createAuthority, issueCertificate } from "../cluster/pki.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { orasPush } from "../images/artifact-tools.ts";
import { password, startRegistry, user, type TestRegistry } from "../images/registry.ts";
import { push, PushProcess } from "../kit/push-process.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { installNamespace } from "./fixture.ts";
import { nodeFunction, Space } from "./space.ts";

const answering = (text: string): string => `export const handler = async () => ${JSON.stringify(text)};`;
/** A registry that only a private authority vouches for, on the node of the cluster that is built here. */
const secureHost = `${bridge.address}:25002`;

describe("sources oci and digest", () => {
  let space: Space;
  let folder: string;
  let secure: TestRegistry;
  let caFile: string;
  let publicHost: string;

  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-artifacts");
    const { registry } = space.system.cluster;
    publicHost = registry.pullHost;
    folder = await mkdtemp(join(tmpdir(), "e2e-artifacts-"));
    const authority = await createAuthority(folder, "private-ca");
    const wanted = { name: "registry", subject: "/CN=registry", subjectAltNames: `IP:${bridge.address}` };
    caFile = authority.certFile;
    secure = await startRegistry("basic", secureHost, await issueCertificate(folder, authority, wanted));
    await writeFile(join(folder, "function.zip"), zipBytes([{ name: "index.mjs", content: answering("artifact") }]));
    await mkdir(join(folder, "words"));
    await writeFile(join(folder, "words", "hello.txt"), "from the layer");
    await chmod(join(folder, "words", "hello.txt"), 0o644);
    await orasPush({
      folder,
      reference: `${registry.pushHost}/e2e/function:1`,
      files: ["function.zip:application/zip"],
    });
    await orasPush({
      ...{ folder, reference: `${secureHost}/e2e/words:1`, files: ["words"] },
      ...{ login: { user, password }, caFile },
    });
    const auths = { [secureHost]: { username: user, password } };
    await space.apply({
      ...{ apiVersion: "v1", kind: "Secret", type: "kubernetes.io/dockerconfigjson", metadata: { name: "pull" } },
      stringData: { ".dockerconfigjson": JSON.stringify({ auths }) },
    });
  });
  after(async () => {
    await space.close();
    await secure.stop();
    await rm(folder, { recursive: true });
  });

  const withCode = (code: FunctionSpecInput["code"]): FunctionSpecInput => ({ ...nodeFunction(""), code });

  it("serve an artifact that oras has pushed", async () => {
    await space.serve("artifact", withCode({ oci: { reference: `oci://${publicHost}/e2e/function:1` } }));
    assert.equal(await space.call("artifact", {}), "artifact");
  });

  it("say what is wrong with a reference, and wait for what is not there yet", async () => {
    await space.applyFunction("absent", withCode({ oci: { reference: `${publicHost}/e2e/function:none` } }));
    const told = await space.waitCondition("absent", "CodeResolved", ({ reason }) => reason === "SourceNotFound");
    assert.match(told.message, /^Cannot read artifact ".*function:none": the registry has no manifest "none"/);
    await space.applyFunction("closed", withCode({ oci: { reference: "169.254.169.254/e2e/function:1" } }));
    const refused = await space.waitCondition("closed", "CodeResolved", ({ reason }) => reason === "SourceRefused");
    assert.match(refused.message, /it is a link-local address; the chart value "packages\.registries\.privateHosts"/);
    await space.kubectl("delete", "fn", "absent", "closed");
  });

  it("serve what kubelambda push has sent through the API server, by one who may edit that namespace alone", async () => {
    const source = join(folder, "code");
    await mkdir(source);
    await writeFile(join(source, "index.mjs"), answering("pushed"));
    const env = { KUBECONFIG: await kubeconfigOf("editor") };
    const end = await new PushProcess([source, "-n", space.name], env).ended;
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /to the package store of "kubelambda\/kubelambda" for namespace "e2e-artifacts"/);
    const digest = end.stdout.split("\n")[0] ?? "";
    await space.serve("pushed", withCode({ digest }));
    assert.equal(await space.call("pushed", {}), "pushed");
    assert.match((await push([source], env)).stderr, /^Namespace "e2e-artifacts" has it already/);
    const foreign = await push([source, "-n", installNamespace], env);
    assert.equal(foreign.code, 1);
    assert.match(
      foreign.stderr,
      /^Cannot push to namespace "kubelambda": you may not make tokens of its ServiceAccount/,
    );
  });

  it("serve a layer of a registry behind a private authority and a password", async () => {
    const spec = { content: { oci: { reference: `${secureHost}/e2e/words:1`, pullSecret: { name: "pull" } } } };
    await space.apply({ apiVersion: API_VERSION, kind: "Layer", metadata: { name: "words" }, spec });
    const source = `import { readFileSync } from "node:fs"; export const handler = async () => readFileSync("/opt/words/hello.txt", "utf8");`;
    await space.applyFunction("layered", nodeFunction(source, { layers: ["words"] }));
    const jsonPath = 'jsonpath={.status.conditions[?(@.type=="ContentResolved")].message}';
    const untrusted = /the chart value "packages\.registries\.caBundle" names a private authority/;
    await waitUntil({ what: "the layer says whom nobody trusts", timeoutMs: 60_000, everyMs: 250 }, async () => {
      assert.match(await space.kubectl("get", "layer", "words", "-o", jsonPath), untrusted);
      return true;
    });
    await withBundle(async () => {
      await space.waitReady("layered");
      assert.equal(await space.call("layered", {}), "from the layer");
      // The store, which has no password, trusts the registry as well.
      await space.applyFunction("open", withCode({ oci: { reference: `${secureHost}/e2e/words:1` } }));
      const told = await space.waitCondition("open", "CodeResolved", ({ reason }) => reason === "SourceForbidden");
      assert.match(told.message, /name a pull secret for it in oci\.pullSecret$/);
    });
  });

  /** An installation that trusts the authority, for as long as the step takes. */
  async function withBundle(step: () => Promise<void>): Promise<void> {
    const { system } = space;
    const inInstall = (...args: readonly string[]) => system.kubectl(["-n", installNamespace, ...args]);
    await inInstall("create", "configmap", "private-ca", `--from-file=ca.crt=${caFile}`);
    const packages = system.values["packages"] as { readonly registries: object };
    const registries = {
      ...packages.registries,
      privateHosts: [secureHost],
      caBundle: { configMapName: "private-ca" },
    };
    await system.install({ packages: { ...packages, registries } });
    try {
      await step();
    } finally {
      await system.install();
      await inInstall("delete", "configmap", "private-ca");
    }
  }

  /** Of an account that has the cluster role `edit` in this namespace and nothing else. */
  async function kubeconfigOf(name: string): Promise<string> {
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" };
    await space.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } },
      {
        ...{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: { name }, roleRef },
        subjects: [{ kind: "ServiceAccount", name, namespace: space.name }],
      },
    );
    const admin = JSON.parse(await space.system.kubectl(["config", "view", "--raw", "-o", "json"])) as {
      readonly clusters: readonly [{ readonly name: string; readonly cluster: object }];
    };
    const token = (await space.kubectl("create", "token", name)).trim();
    const [{ name: cluster }] = admin.clusters;
    const config = {
      ...{ apiVersion: "v1", kind: "Config", "current-context": name, clusters: admin.clusters },
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster, user: name, namespace: space.name } }],
    };
    const file = join(folder, `${name}.json`);
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }
});

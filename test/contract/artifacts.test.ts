/** Artifacts that oras and skopeo have put into a real registry, read by the package store (public ones) and by `fetch` (with a pull secret). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FetchDocument, FetchOutcome } from "../../crds/wire/fetch.ts";
import type { OciSource, ResolveAnswer } from "../../crds/wire/packages.ts";
import { routes } from "../../crds/wire/routes.ts";
import { fetchPackage } from "../../runtime-proxy/fetch-package.ts";
import { archiveLimits } from "../../runtime-proxy/packages/archive-limits.ts";
import { openArchive } from "../../runtime-proxy/packages/archive.ts";
import { packLayer, writeOciArchive } from "../cluster/oci-archive.ts";
import { createAuthority, issueCertificate } from "../cluster/pki.ts";
import { run } from "../cluster/run.ts";
import { orasPush } from "../images/artifact-tools.ts";
import { password, startRegistry, user, type TestRegistry } from "../images/registry.ts";
import { operatorToken, startTestStore, type TestStore } from "../kit/package-store-server.ts";
import { zipBytes } from "../kit/zip-bytes.ts";

const zip = zipBytes([{ name: "index.mjs", content: "export const handler = async () => 1;" }]);
const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

describe("artifacts of a real registry", function () {
  this.timeout(60_000);
  let registry: TestRegistry;
  let closed: TestRegistry;
  let secure: TestRegistry;
  let store: TestStore;
  let directory: string;
  let caFile: string;

  before(async function () {
    this.timeout(600_000);
    directory = await mkdtemp(join(tmpdir(), "artifacts-"));
    const authority = await createAuthority(directory, "private-ca");
    const wanted = { name: "registry", subject: "/CN=registry", subjectAltNames: "IP:127.0.0.1" };
    const certified = await issueCertificate(directory, authority, wanted);
    caFile = authority.certFile;
    [registry, closed, secure] = await Promise.all([
      startRegistry(),
      startRegistry("basic"),
      startRegistry(undefined, undefined, certified),
    ]);
    store = await startTestStore({
      KUBELAMBDA_REGISTRY_PLAIN_HTTP_HOSTS: `${registry.host},${closed.host}`,
      KUBELAMBDA_REGISTRY_CA_FILE: caFile,
    });
    await writeFile(join(directory, "function.zip"), zip);
    await mkdir(join(directory, "tools", "bin"), { recursive: true });
    await writeFile(join(directory, "tools", "bin", "tool"), "#!/bin/sh\necho tool\n", { mode: 0o755 });
  });
  after(async () => {
    await store.stop();
    await Promise.all([registry, closed, secure].map((each) => each.stop()));
    await rm(directory, { recursive: true });
  });

  const ociSource = (reference: string, more: Partial<OciSource> = {}): OciSource => ({
    ...{ type: "oci", reference, architecture: "x86_64" },
    ...more,
  });

  /** Path → mode, of a package that the namespace may read. */
  async function content(digest: string): Promise<Record<string, string>> {
    const response = await store.request(routes.object(digest), { token: "team-a/default" });
    const path = join(directory, "read.zip");
    await writeFile(path, Buffer.from(await response.arrayBuffer()));
    const archive = await openArchive(path, archiveLimits);
    await archive.close();
    return Object.fromEntries(
      archive.entries.map(({ path: name, mode, kind }) => [name, `${kind} ${mode.toString(8)}`]),
    );
  }

  function failed(answer: ResolveAnswer | FetchOutcome, code: string, says: RegExp): void {
    assert.ok(!answer.ok, JSON.stringify(answer));
    assert.equal(answer.error.code, code);
    assert.match(answer.error.message, says);
  }

  const pushed = async (name: string, files: readonly string[], on = registry): Promise<string> => {
    const reference = `${on.host}/team/${name}`;
    const login = on === closed ? { login: { user, password } } : {};
    await orasPush({ folder: directory, reference, files, ...login, ...(on === secure && { caFile }) });
    return reference;
  };

  it("a zip that oras has pushed is the package itself, with its media type and without", async () => {
    for (const file of ["function.zip:application/zip", "function.zip"]) {
      const reference = await pushed("zip:1", [file]);
      assert.equal(await store.resolve(ociSource(reference)), digestOf(zip));
    }
  });

  it("a folder that oras has pushed is what oras would pull", async () => {
    const reference = await pushed("folder:1", ["tools"]);
    const digest = await store.resolve(ociSource(reference));
    assert.deepEqual(await content(digest), {
      tools: "directory 755",
      "tools/bin": "directory 755",
      "tools/bin/tool": "file 755",
    });
    const inner = await store.resolve(ociSource(reference, { path: "tools" }));
    assert.deepEqual(await content(inner), { bin: "directory 755", "bin/tool": "file 755" });
  });

  it("an image is the same package whether skopeo sends it with gzip, zstd or in Docker's format", async () => {
    const layers: string[] = [];
    const contents: readonly Readonly<Record<string, string>>[] = [
      { "opt/bin/tool": "one", "opt/old": "x", "etc/motd": "hello" },
      { "opt/bin/tool": "two", "opt/.wh.old": "" },
    ];
    for (const [index, files] of contents.entries()) {
      const root = join(directory, `layer-${index}`);
      for (const [name, text] of Object.entries(files)) {
        await mkdir(join(root, name, ".."), { recursive: true });
        await writeFile(join(root, name), text);
      }
      layers.push(join(directory, `layer-${index}.tar`));
      await packLayer(root, layers[index] ?? "");
    }
    const archive = join(directory, "image.tar");
    await writeOciArchive(archive, { name: "kubelambda.test/tools:1", layers, config: {} });
    const ways = [
      ["--dest-compress-format", "gzip"],
      ["--dest-compress-format", "zstd"],
      ["--format", "v2s2"],
    ];
    const digests = new Set<string>();
    for (const [index, way] of ways.entries()) {
      const reference = `${registry.host}/team/image:${index}`;
      const args = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", ...way];
      await run("skopeo", [...args, `oci-archive:${archive}`, `docker://${reference}`], { timeoutMs: 60_000 });
      digests.add(await store.resolve(ociSource(reference, { path: "/opt" })));
    }
    assert.equal(digests.size, 1);
    assert.deepEqual(await content([...digests][0] ?? ""), { bin: "directory 755", "bin/tool": "file 644" });
  });

  it("a tag that has moved is seen, and one that has not costs no transfer", async () => {
    const reference = await pushed("moving:1", ["function.zip:application/zip"]);
    const first = await store.answer(ociSource(reference));
    assert.ok(first.ok && first.package.revision !== undefined);
    const known = { digest: first.package.digest, revision: first.package.revision };
    const ask = async (): Promise<ResolveAnswer> => {
      const body = { namespace: "team-a", use: "code", source: ociSource(reference), known };
      const response = await store.request(routes.resolve, { token: operatorToken, method: "POST", body });
      return (await response.json()) as ResolveAnswer;
    };
    assert.deepEqual(await ask(), first);
    await pushed("moving:1", ["tools"]);
    const second = await ask();
    assert.ok(second.ok);
    assert.notEqual(second.package.digest, first.package.digest);
    const pinned = `${reference.replace(/:1$/, "")}@${known.revision}`;
    assert.equal(await store.resolve(ociSource(pinned)), first.package.digest);
  });

  it("what is private takes a pull secret, and the message says which field names it", async () => {
    const reference = await pushed("private:1", ["function.zip:application/zip"], closed);
    failed(await store.answer(ociSource(reference)), "SourceForbidden", /name a pull secret for it in oci\.pullSecret/);
    const pullSecret = (word: string): string =>
      JSON.stringify({ auths: { [closed.host]: { username: user, password: word } } });
    const fetchWith = async (pullSecretFiles: readonly string[], token = "team-a/default"): Promise<FetchOutcome> => {
      const document: FetchDocument = {
        source: ociSource(reference),
        network: { allowedCIDRs: ["127.0.0.1/32"], deniedCIDRs: [] },
        ...{ plainHttpHosts: [closed.host], secret: "pull" },
      };
      const readToken = () => Promise.resolve(token);
      const means = { secrets: {}, pullSecretFiles, packagesUrl: store.url, readToken, firstWaitMs: 1 };
      return await fetchPackage({ ...means, document, directory: await mkdtemp(join(directory, "pod-")) });
    };
    const taken = await fetchWith([pullSecret("wrong"), pullSecret(password)]);
    assert.ok(taken.ok, JSON.stringify(taken));
    assert.equal(taken.digest, digestOf(zip));
    failed(await fetchWith([pullSecret("wrong")]), "SourceForbidden", /Cannot read artifact ".*private:1": .*\(401/);
    failed(await fetchWith([]), "SecretNotFound", /Secret "pull" is not there, or has no key "\.dockerconfigjson"/);
    failed(
      await fetchWith(['{"auths":{"ghcr.io":{"username":"a","password":"b"}}}']),
      "SourceForbidden",
      /has no credentials/,
    );
  });

  it("a registry behind a private authority is trusted by the bundle alone, which is read anew", async () => {
    const reference = await pushed("secure:1", ["function.zip:application/zip"], secure);
    const bundle = join(directory, "bundle.pem");
    const other = await createAuthority(directory, "other-ca");
    await writeFile(bundle, await readFile(other.certFile));
    const own = await startTestStore({
      KUBELAMBDA_REGISTRY_PRIVATE_HOSTS: secure.host,
      KUBELAMBDA_REGISTRY_CA_FILE: bundle,
    });
    try {
      const says =
        /the connection failed \((UNABLE_TO|SELF_SIGNED|DEPTH_ZERO).*; the chart value "packages\.registries\.caBundle"/;
      failed(await own.answer(ociSource(reference)), "SourceUnreachable", says);
      await writeFile(bundle, await readFile(caFile));
      assert.equal(await own.resolve(ociSource(reference)), digestOf(zip));
      // What is no bundle any more leaves the last good one.
      await writeFile(bundle, "nonsense");
      assert.equal(await own.resolve(ociSource(reference), "team-b"), digestOf(zip));
    } finally {
      await own.stop();
    }
    await assert.rejects(
      startTestStore({ KUBELAMBDA_REGISTRY_CA_FILE: bundle }),
      /Cannot use CA bundle .*it has no certificate/,
    );
  });
});

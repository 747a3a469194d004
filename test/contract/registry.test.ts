/** Images looked up in a real registry, with every kind of proof. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "mocha";
import { imageAnswerSchema, imageFetchVariables, type ImageAnswer } from "../../crds/wire/images.ts";
import { fetchImage } from "../../runtime-proxy/fetch-image.ts";
import { fetchMain } from "../../runtime-proxy/fetch.ts";
import { createAddressRules } from "../../runtime-proxy/packages/address-rules.ts";
import type { Credentials } from "../../runtime-proxy/registry/credentials.ts";
import { lookUpImage, type ImageLookup } from "../../runtime-proxy/registry/image-resolver.ts";
import { buildDockerImage } from "../images/buildah.ts";
import { RegistryPusher } from "../images/push.ts";
import {
  password,
  startRegistry,
  startTokenServer,
  user,
  type TestRegistry,
  type TokenServer,
} from "../images/registry.ts";

const rules = createAddressRules({ allowedCIDRs: [], deniedCIDRs: [] });
const right: Credentials = { user, password };
const file = (content: string) => ({ "bin/run": { content, mode: 0o755 } });

describe("images of a real registry", function () {
  this.timeout(60_000);
  let registry: TestRegistry;
  let closed: TestRegistry;
  let tokens: TokenServer;
  let guarded: TestRegistry;
  const digests: Record<string, string> = {};

  before(async () => {
    [registry, closed, tokens] = await Promise.all([startRegistry(), startRegistry("basic"), startTokenServer()]);
    guarded = await startRegistry(tokens);
    const pusher = new RegistryPusher(registry.url);
    const config = { Entrypoint: ["/bin/run"], Cmd: ["a", "$(b)"], WorkingDir: "/work", Env: ["A=1"], User: "root" };
    const repository = "team/image";
    digests["oci"] = await pusher.pushImage({ repository, tag: "oci", files: file("1"), config });
    digests["docker"] = await pusher.pushImage({ repository, tag: "docker", files: file("2"), config, isDocker: true });
    digests["arm"] = await pusher.pushImage({ repository, tag: "arm", files: file("3"), architecture: "arm64" });
    const members = [
      { digest: digests["oci"], platform: { os: "linux", architecture: "amd64" } },
      { digest: digests["arm"], platform: { os: "linux", architecture: "arm64", variant: "v8" } },
    ];
    digests["index"] = await pusher.pushIndex({ repository, tag: "index" }, members);
    digests["list"] = await pusher.pushIndex({ repository, tag: "list", isDocker: true }, [
      { digest: digests["docker"], platform: { os: "linux", architecture: "amd64" } },
    ]);
    const basic = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
    await new RegistryPusher(closed.url, basic).pushImage({ repository, tag: "1", files: file("4") });
    for (const name of ["open/image", "closed/image"]) {
      await new RegistryPusher(guarded.url, tokens.pushHeaders).pushImage({
        repository: name,
        tag: "1",
        files: file("5"),
      });
    }
  });
  after(async () => {
    await Promise.all([registry, closed, guarded, tokens].map((server) => server.stop()));
  });

  async function look(host: string, rest: string, more: Partial<ImageLookup> = {}): Promise<ImageAnswer> {
    const plainHttpHosts = [registry.host, closed.host, guarded.host, new URL(tokens.url).host];
    const lookup = { image: `${host}/${rest}`, architecture: "x86_64", ...more } as const;
    return await lookUpImage(lookup, { rules, privateHosts: [], plainHttpHosts });
  }

  function failed(answer: ImageAnswer, code: string, says: RegExp): void {
    assert.ok(answer.outcome === "failed", JSON.stringify(answer));
    assert.equal(answer.code, code);
    assert.match(answer.message, says);
  }

  function resolvedDigest(answer: ImageAnswer): string {
    assert.ok(answer.outcome === "resolved", JSON.stringify(answer));
    return answer.image.digest;
  }

  it("reads everything that a function needs of an OCI image", async () => {
    const answer = await look(registry.host, "team/image:oci");
    assert.ok(answer.outcome === "resolved", JSON.stringify(answer));
    const { compressedBytes, ...image } = answer.image;
    assert.deepEqual(image, {
      reference: `${registry.host}/team/image@${digests["oci"]}`,
      digest: digests["oci"],
      namedDigest: digests["oci"],
      tag: "oci",
      entryPoint: ["/bin/run"],
      command: ["a", "$(b)"],
      workingDirectory: "/work",
      platform: "linux/amd64",
    });
    assert.ok(compressedBytes > 0);
  });

  it("takes Docker's schema 2, and / where there is no WORKDIR", async () => {
    assert.equal(resolvedDigest(await look(registry.host, "team/image:docker")), digests["docker"]);
    const arm = await look(registry.host, "team/image:arm", { architecture: "arm64" });
    assert.ok(arm.outcome === "resolved");
    assert.equal(arm.image.workingDirectory, "/");
    assert.deepEqual([arm.image.entryPoint, arm.image.command], [[], []]);
  });

  it("reads what docker build makes of a Dockerfile, history and all", async () => {
    const lines = ["FROM scratch", "ENV COLOR=red", "COPY run /bin/run", "WORKDIR /data", 'ENTRYPOINT ["/bin/run"]'];
    const dockerfile = [...lines, 'CMD ["one"]'].join("\n");
    await buildDockerImage({ dockerfile, files: { run: "#!/bin/sh" }, target: `${registry.host}/team/built:1` });
    const answer = await look(registry.host, "team/built:1");
    assert.ok(answer.outcome === "resolved", JSON.stringify(answer));
    const { entryPoint, command, workingDirectory, platform } = answer.image;
    assert.deepEqual([entryPoint, command, workingDirectory], [["/bin/run"], ["one"], "/data"]);
    assert.equal(platform, "linux/amd64");
  });

  for (const [tag, architecture, want] of [
    ["index", "x86_64", "oci"],
    ["index", "arm64", "arm"],
    ["list", "x86_64", "docker"],
  ] as const) {
    it(`finds the manifest for ${architecture} in "${tag}"`, async () => {
      const answer = await look(registry.host, `team/image:${tag}`, { architecture });
      assert.ok(answer.outcome === "resolved", JSON.stringify(answer));
      assert.equal(answer.image.digest, digests[want]);
      assert.equal(answer.image.namedDigest, digests[tag]);
      assert.equal(answer.image.reference, `${registry.host}/team/image@${digests[want]}`);
    });
  }

  it("says for which platforms an image is there", async () => {
    failed(
      await look(registry.host, "team/image:list", { architecture: "arm64" }),
      "ImageArchitectureMismatch",
      /linux\/amd64, not for linux\/arm64/,
    );
    failed(
      await look(registry.host, "team/image:arm"),
      "ImageArchitectureMismatch",
      /it is for linux\/arm64; set architectures/,
    );
  });

  it("takes a digest, which has no tag that could move", async () => {
    const answer = await look(registry.host, `team/image@${digests["oci"]}`);
    assert.ok(answer.outcome === "resolved");
    assert.equal(answer.image.tag, undefined);
  });

  it("knows a tag that still names the same, and one that moved", async () => {
    const known = { knownDigest: digests["index"] ?? "" };
    assert.deepEqual(await look(registry.host, "team/image:index", known), { outcome: "unchanged" });
    const pusher = new RegistryPusher(registry.url);
    const moving = { repository: "team/image", tag: "moving" };
    const before = await pusher.pushImage({ ...moving, files: file("old") });
    const after = await pusher.pushImage({ ...moving, files: file("new") });
    assert.equal(resolvedDigest(await look(registry.host, "team/image:moving", { knownDigest: before })), after);
  });

  it("says that there is no such tag, digest or repository", async () => {
    failed(await look(registry.host, "team/image:none"), "ImageNotFound", /no manifest "none": "MANIFEST_UNKNOWN/);
    failed(await look(registry.host, `team/image@sha256:${"0".repeat(64)}`), "ImageNotFound", /MANIFEST_UNKNOWN/);
    failed(await look(registry.host, "team/none:1"), "ImageNotFound", /manifest "1"/);
  });

  it("gives user and password to a registry that asks for them, and says so when it has none or wrong ones", async () => {
    resolvedDigest(await look(closed.host, "team/image:1", { credentials: right }));
    failed(
      await look(closed.host, "team/image:1"),
      "ImageUnauthorized",
      /asks for user and password; name a pull secret/,
    );
    const wrong = { credentials: { user, password: "wrong" } };
    failed(
      await look(closed.host, "team/image:1", wrong),
      "ImageUnauthorized",
      /refuses its manifest "1" \(401.*UNAUTHORIZED/,
    );
  });

  it("gets a token as nobody, as somebody, and by a refresh token", async () => {
    resolvedDigest(await look(guarded.host, "open/image:1"));
    failed(await look(guarded.host, "closed/image:1"), "ImageUnauthorized", /refuses its manifest "1" \(401/);
    resolvedDigest(await look(guarded.host, "closed/image:1", { credentials: right }));
    const refresh = { user: "", password: "", identityToken: "refresh" };
    resolvedDigest(await look(guarded.host, "closed/image:1", { credentials: refresh }));
    const wrong = { credentials: { user, password: "wrong" } };
    failed(await look(guarded.host, "closed/image:1", wrong), "ImageUnauthorized", /gives no token \(401\)/);
    assert.equal(
      tokens.requests.every(({ scope }) => /^repository:(open|closed)\/image:pull$/.test(scope)),
      true,
    );
  });

  it("reads with the pull secrets that a pod has, one after another, and says what is missing", async () => {
    const request = { namespace: "team", image: `${guarded.host}/closed/image:1`, architecture: "x86_64" } as const;
    const secret = (name: string, secretWord: string): string => {
      const auth = Buffer.from(`${name}:${secretWord}`).toString("base64");
      return JSON.stringify({ auths: { [guarded.host]: { auth } } });
    };
    const access = { rules, privateHosts: [], plainHttpHosts: [guarded.host, new URL(tokens.url).host] };
    const taken = await fetchImage(request, [secret(user, "wrong"), "no JSON", secret(user, password)], access);
    assert.match(resolvedDigest(taken), /^sha256:/);
    failed(await fetchImage(request, [secret(user, "wrong")], access), "ImageUnauthorized", /gives no token/);
    failed(await fetchImage(request, [], access), "ImageUnauthorized", /no pull secret that it names is there/);
    const other = ['{"auths":{"ghcr.io":{"username":"a","password":"b"}}}'];
    failed(
      await fetchImage(request, other, access),
      "ImageUnauthorized",
      /no pull secret has credentials for its registry/,
    );
  });

  it("leaves as a process what a pod can tell, also when that is too long", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fetch-"));
    const log = join(directory, "termination-log");
    const secrets = join(directory, "secrets");
    for (const [name, file] of [
      ["a", ".dockercfg"],
      ["b", ".dockerconfigjson"],
    ] as const) {
      mkdirSync(join(secrets, name), { recursive: true });
      const entry = { [closed.host]: { username: user, password } };
      writeFileSync(join(secrets, name, file), JSON.stringify(name === "a" ? {} : { auths: entry }));
    }
    const run = async (tag: string): Promise<ImageAnswer> => {
      await fetchMain({
        [imageFetchVariables.request]: JSON.stringify({
          namespace: "team",
          image: `${closed.host}/team/image:${tag}`,
          architecture: "x86_64",
        }),
        [imageFetchVariables.secretsDirectory]: secrets,
        [imageFetchVariables.plainHttpHosts]: closed.host,
        KUBELAMBDA_TERMINATION_LOG: log,
      });
      const text = readFileSync(log, "utf8");
      assert.ok(Buffer.byteLength(text) <= 4096);
      return imageAnswerSchema.parse(JSON.parse(text));
    };
    try {
      resolvedDigest(await run("1"));
      const basic = { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
      const config = { Entrypoint: ["/main", "x".repeat(5000)] };
      await new RegistryPusher(closed.url, basic).pushImage({
        repository: "team/image",
        tag: "long",
        files: file("6"),
        config,
      });
      failed(await run("long"), "InvalidImage", /longer than a pod can tell/);
      failed(await run("none"), "ImageNotFound", /no manifest "none"/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("asks no registry at a closed address or without TLS unless it is allowed", async () => {
    const lookup = { image: `${registry.host}/team/image:oci`, architecture: "x86_64" } as const;
    const none = { rules, privateHosts: [], plainHttpHosts: [] };
    failed(
      await lookUpImage(lookup, none),
      "ImageRefused",
      /loopback address; the chart value "packages.registries.privateHosts"/,
    );
    // Allowed, but it does not speak TLS.
    const open = { ...none, privateHosts: [registry.host] };
    failed(await lookUpImage(lookup, open), "RegistryUnreachable", /Cannot read "https:.*the connection failed/);
    // The token server is another address than the registry's.
    const half = { ...none, plainHttpHosts: [guarded.host] };
    failed(
      await lookUpImage({ ...lookup, image: `${guarded.host}/open/image:1` }, half),
      "ImageRefused",
      /it is not https/,
    );
  });
});

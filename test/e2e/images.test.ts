import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { buildImage } from "../cluster/runtime-images.ts";
import { waitUntil } from "../cluster/wait-until.ts";
import { buildDockerImage } from "../images/buildah.ts";
import { RegistryPusher, type ImageToPush } from "../images/push.ts";
import { password, startRegistry, user } from "../images/registry.ts";
import { buildStaticProgram } from "../images/static-program.ts";
import { closedRegistryHost, progress } from "./fixture.ts";
import { jsonOf } from "./invoke.ts";
import { Space } from "./space.ts";

const repository = "e2e/images";

const text = (content: string) => ({ content, mode: 0o644 });
const script = (content: string) => ({ content, mode: 0o755 });

const handler = `import { existsSync } from "node:fs";
export const handler = async (event) => ({
  event, handler: process.env._HANDLER, directory: process.cwd(), uid: process.getuid(), extension: existsSync("/tmp/extension"),
});`;

/** Registers before the function's init can end, and says so in /tmp. */
const extension = `#!/var/lang/bin/node
const api = "http://" + process.env.AWS_LAMBDA_RUNTIME_API + "/2020-01-01/extension";
const register = async () => {
  const headers = { "Lambda-Extension-Name": "watcher" };
  const answer = await fetch(api + "/register", { method: "POST", headers, body: JSON.stringify({ events: ["INVOKE"] }) });
  require("node:fs").writeFileSync("/tmp/extension", "");
  const id = answer.headers.get("lambda-extension-identifier");
  for (;;) await (await fetch(api + "/event/next", { headers: { "Lambda-Extension-Identifier": id } })).text();
};
register();
`;

describe("functions that are images", () => {
  let space: Space;
  let pusher: RegistryPusher;
  let pullHost: string;

  before(async function () {
    this.timeout(240_000);
    space = await Space.open("e2e-images");
    const { registry } = space.system.cluster;
    pusher = new RegistryPusher(`http://${registry.pushHost}`);
    pullHost = registry.pullHost;
    const baseArchive = await buildImage("kubelambda.test/runtime/nodejs24.x:1", progress);
    const files = {
      "var/task/index.mjs": text(handler),
      "var/task/other.mjs": text('export const handler = async () => "other";'),
    };
    await push({ tag: "base-node", baseArchive, files, config: { Cmd: ["index.handler"], User: "root" } });
    const watched = { ...files, "opt/extensions/watcher": script(extension) };
    await push({ tag: "extension", baseArchive, files: watched, config: { Cmd: ["index.handler"] } });
    const config = { Entrypoint: ["/main"] };
    const [amd64, arm64] = [await buildStaticProgram("amd64"), await buildStaticProgram("arm64")];
    const program = {
      main: { content: amd64, mode: 0o755 },
      data: text("data"),
      "closed/main": { content: amd64, mode: 0o700 },
    };
    const forArm = { main: { content: arm64, mode: 0o755 } };
    const scratch = await push({ tag: "scratch", files: program, config });
    const arm = await push({ tag: "arm", files: forArm, config, architecture: "arm64" });
    await push({ tag: "mislabelled", files: forArm, config });
    await pusher.pushIndex({ repository, tag: "both" }, [
      { digest: arm, platform: { os: "linux", architecture: "arm64" } },
      { digest: scratch, platform: { os: "linux", architecture: "amd64" } },
    ]);
  });
  after(() => space.close());

  async function push(image: Omit<ImageToPush, "repository">): Promise<string> {
    return await pusher.pushImage({ repository, ...image });
  }

  function image(tag: string, more: Partial<FunctionSpecInput> = {}): FunctionSpecInput {
    return { packageType: "Image", code: { imageURI: `${pullHost}/${repository}:${tag}` }, timeout: 10, ...more };
  }

  async function callFresh(name: string, spec: FunctionSpecInput): Promise<Record<string, unknown>> {
    await space.serve(name, spec);
    return (await space.call(name, { n: 1 })) as Record<string, unknown>;
  }

  it("packages-layers-env 27 and 30: an AWS base image's entry script starts the runtime, as no root whatever USER says", async () => {
    const answer = await callFresh("base", image("base-node"));
    const want = { event: { n: 1 }, handler: "index.handler", directory: "/var/task", uid: 10_002, extension: false };
    assert.deepEqual(answer, want);
  });

  it("packages-layers-env 28: imageConfig.command is the argument of the image's ENTRYPOINT", async () => {
    await space.serve("commanded", image("base-node", { imageConfig: { command: ["other.handler"] } }));
    assert.equal(await space.call("commanded", {}), "other");
  });

  it("packages-layers-env 31: files in the image's /opt/extensions are started", async () => {
    const answer = await callFresh("extended", image("extension"));
    assert.equal(answer["extension"], true);
  });

  it("runs an image that is one static program and nothing else", async () => {
    const answer = await callFresh("scratch", image("scratch", { imageConfig: { command: ["one", "$(two)"] } }));
    assert.deepEqual(answer["args"], ["/main", "one", "$(two)"]);
    assert.equal(answer["directory"], "/");
    assert.equal(answer["uid"], 10_002);
    assert.equal(answer["canWriteRoot"], false);
    assert.equal(answer["canWriteTmp"], true);
    const variables = answer["variables"] as readonly string[];
    assert.ok(variables.includes("AWS_EXECUTION_ENV=AWS_Lambda_Image"));
    const foreign = variables.filter((variable) => /^(LD_LIBRARY_PATH|LANG|TZ|_HANDLER|KUBE)/.test(variable));
    assert.deepEqual(foreign, []);
  });

  it("runs what docker build makes of a Dockerfile, in Docker's format", async () => {
    const dockerfile = [
      ...["FROM scratch", "LABEL maintainer=somebody", 'ENV COLOR=red GREETING="hello you"'],
      ...[
        "COPY main /bin/",
        "COPY main /main",
        "COPY main /data/",
        "WORKDIR /data",
        'ENTRYPOINT ["/main"]',
        'CMD ["one", "two"]',
      ],
    ].join("\n");
    const main = await buildStaticProgram("amd64");
    const { pushHost } = space.system.cluster.registry;
    await buildDockerImage({ dockerfile, files: { main }, target: `${pushHost}/${repository}:docker` });
    const answer = await callFresh("docker", image("docker"));
    assert.deepEqual(answer["args"], ["/main", "one", "two"]);
    assert.equal(answer["directory"], "/data");
    const variables = answer["variables"] as readonly string[];
    for (const variable of ["COLOR=red", "GREETING=hello you"]) assert.ok(variables.includes(variable), variable);
  });

  it("packages-layers-env 36: of an index the node's architecture runs", async () => {
    assert.equal((await callFresh("both", image("both")))["architecture"], "amd64");
  });

  it("packages-layers-env 32: layers on an image are refused", async () => {
    await assert.rejects(
      space.applyFunction("layered", image("base-node", { layers: ["tools:1"] })),
      /copy their content into \/opt of the image/,
    );
  });

  const failures: Record<string, { spec: () => FunctionSpecInput; type: string; says: RegExp }> = {
    "packages-layers-env 29: a working directory that does not exist": {
      spec: () => image("scratch", { imageConfig: { workingDirectory: "/none" } }),
      type: "Runtime.InvalidWorkingDir",
      says: /\/none/,
    },
    "an entry point that is missing": {
      spec: () => image("scratch", { imageConfig: { entryPoint: ["/none"] } }),
      type: "Runtime.InvalidEntrypoint",
      says: /fork\/exec \/none: no such file or directory$/,
    },
    "an entry point that is on no path": {
      spec: () => image("scratch", { imageConfig: { entryPoint: ["none"] } }),
      type: "Runtime.InvalidEntrypoint",
      says: /exec: "none": executable file not found in \$PATH$/,
    },
    "an entry point that cannot be executed": {
      spec: () => image("scratch", { imageConfig: { entryPoint: ["/data"] } }),
      type: "Runtime.InvalidEntrypoint",
      says: /fork\/exec \/data: permission denied$/,
    },
    "an entry point that is its owner's alone": {
      spec: () => image("scratch", { imageConfig: { entryPoint: ["/closed/main"] } }),
      type: "Runtime.InvalidEntrypoint",
      says: /fork\/exec \/closed\/main: permission denied$/,
    },
    "packages-layers-env 36: a program of another architecture": {
      spec: () => image("mislabelled"),
      type: "Runtime.InvalidEntrypoint",
      says: /fork\/exec \/main: exec format error$/,
    },
  };
  it("answers with Lambda's error where an image cannot start", async () => {
    const names = Object.keys(failures).map((_what, index) => `failing-${index}`);
    for (const [index, { spec }] of Object.values(failures).entries())
      await space.applyFunction(names[index] ?? "", spec());
    for (const [index, [what, { type, says }]] of Object.entries(failures).entries()) {
      await space.waitReady(names[index] ?? "");
      const answer = await space.invoke(names[index] ?? "", {});
      const body = jsonOf(answer);
      assert.equal(answer.status, 200, `${what}: ${JSON.stringify(body)}`);
      assert.equal(answer.headers["x-amz-function-error"], "Unhandled", what);
      assert.equal(body["errorType"], type, what);
      assert.match(String(body["errorMessage"]), says, what);
    }
  });

  it("says that a tag moved, and goes on with the image that it had", async () => {
    const versions = (word: string) => ({
      "var/task/index.mjs": text(`export const handler = async () => "${word}";`),
    });
    const baseArchive = await buildImage("kubelambda.test/runtime/nodejs24.x:1", progress);
    const moving = { tag: "moving", baseArchive, config: { Cmd: ["index.handler"] } };
    await push({ ...moving, files: versions("old") });
    await space.serve("moving", image("moving"));
    const after = await push({ ...moving, files: versions("new") });
    const condition = await space.waitCondition("moving", "ImageCurrent", ({ reason }) => reason === "ImageMoved");
    assert.equal(condition.status, "False");
    assert.equal(await space.call("moving", {}), "old");
    await space.applyFunction("moving", image("x", { code: { imageURI: `${pullHost}/${repository}@${after}` } }));
    await space.waitCondition("moving", "Ready", ({ status }) => status === "True");
    assert.equal(await space.call("moving", {}), "new");
  });

  it("waits for a tag that is missing, and runs once it is pushed", async () => {
    // The registry of a cluster that stays up keeps what earlier runs pushed.
    const tag = `early-${Date.now().toString(36)}`;
    await space.applyFunction("early", image(tag));
    const waiting = await space.waitCondition("early", "Ready", ({ reason }) => reason === "ImageNotFound");
    assert.match(waiting.message, /the registry has no manifest "early-/);
    await push({
      tag,
      files: { main: { content: await buildStaticProgram("amd64"), mode: 0o755 } },
      config: { Entrypoint: ["/main"] },
    });
    await space.waitReady("early");
    assert.deepEqual(((await space.call("early", 1)) as Record<string, unknown>)["event"], 1);
  });

  it("tells the caller why an image that went away cannot be pulled", async () => {
    const files = {
      main: { content: await buildStaticProgram("amd64"), mode: 0o755 },
      unique: text("pulled by nobody"),
    };
    const digest = await push({ tag: "gone", files, config: { Entrypoint: ["/main"] } });
    await space.serve("gone", image("gone"));
    await pusher.deleteManifest(repository, digest);
    const answer = await space.invoke("gone", {});
    const body = answer.bytes.toString();
    assert.notEqual(answer.status, 200, body);
    assert.match(body, /ImagePullFailed: Container \\?"runtime\\?" does not start.*not found/);
    const healthy = await space.waitCondition(
      "gone",
      "EnvironmentsHealthy",
      ({ reason }) => reason === "ImagePullFailed",
    );
    assert.equal(healthy.status, "False");
    const events = await space.kubectl("get", "events", "--field-selector", "reason=ImagePullFailed", "-o", "name");
    assert.notEqual(events.trim(), "");
  });

  it("runs a private image with the namespace's pull secret, which no process of ours reads", async () => {
    const { kind, stateDir } = space.system.cluster;
    if (kind !== "own") {
      progress(
        `not tried on a cluster of kind "${kind}": its nodes have to be told of a registry that wants a password`,
      );
      return;
    }
    const folder = join(stateDir, "containerd", "certs.d", closedRegistryHost);
    mkdirSync(folder, { recursive: true });
    const url = `http://${closedRegistryHost}`;
    const hosts = `server = "${url}"\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`;
    writeFileSync(join(folder, "hosts.toml"), hosts);
    const registry = await startRegistry("basic", closedRegistryHost);
    try {
      const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
      const files = { main: { content: await buildStaticProgram("amd64"), mode: 0o755 } };
      const closed = new RegistryPusher(registry.url, { authorization });
      await closed.pushImage({ repository: "team/private", tag: "1", files, config: { Entrypoint: ["/main"] } });
      const imageURI = `${closedRegistryHost}/team/private:1`;
      const podTemplate = { spec: { imagePullSecrets: [{ name: "pull" }] } };
      const spec = image("x", { code: { imageURI }, podTemplate });
      await space.applyFunction("private", spec);
      const waiting = await space.waitCondition("private", "Ready", ({ reason }) => reason === "ImageUnauthorized");
      assert.match(waiting.message, /no pull secret that it names is there/);
      const words = [
        `--docker-server=${closedRegistryHost}`,
        `--docker-username=${user}`,
        `--docker-password=${password}`,
      ];
      await space.kubectl("create", "secret", "docker-registry", "pull", ...words);
      await space.waitReady("private");
      assert.deepEqual(((await space.call("private", 1)) as Record<string, unknown>)["event"], 1);
      const accountUser = `system:serviceaccount:kubelambda:kubelambda-operator`;
      const mayRead = await space.kubectl("auth", "can-i", "get", "secrets", "--as", accountUser).catch(() => "no");
      assert.equal(mayRead.trim(), "no");
      // One more may look at the tag.
      await waitUntil({ what: "the pod that read the image to go", timeoutMs: 30_000, everyMs: 250 }, async () => {
        const left = await space.kubectl("get", "pods", "-l", "kubelambda.dev/component=fetch", "-o", "name");
        return left.trim() === "" ? true : undefined;
      });
    } finally {
      await registry.stop();
    }
  });
});

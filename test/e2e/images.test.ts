import assert from "node:assert/strict";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { buildImage } from "../cluster/runtime-images.ts";
import { buildStaticProgram } from "../images/static-program.ts";
import { RegistryPusher, type ImageToPush } from "../images/push.ts";
import { progress } from "./fixture.ts";
import { Space } from "./space.ts";

const repository = "e2e/images";

function script(content: string): { readonly content: string; readonly mode: number } {
  return { content, mode: 0o644 };
}

const handler = `export const handler = async (event) => ({ event, handler: process.env._HANDLER, directory: process.cwd(), uid: process.getuid() });`;
const other = `export const handler = async () => "other";`;

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
    const files = { "var/task/index.mjs": script(handler), "var/task/other.mjs": script(other) };
    await push({ tag: "base-node", baseArchive, files, config: { Cmd: ["index.handler"], User: "root" } });
    const program = { content: await buildStaticProgram("amd64"), mode: 0o755 };
    await push({ tag: "scratch", files: { main: program }, config: { Entrypoint: ["/main"] } });
  });
  after(() => space.close());

  async function push(image: Omit<ImageToPush, "repository">): Promise<string> {
    return await pusher.pushImage({ repository, ...image });
  }

  function image(tag: string, more: Partial<FunctionSpecInput> = {}): FunctionSpecInput {
    return { packageType: "Image", code: { imageURI: `${pullHost}/${repository}:${tag}` }, timeout: 10, ...more };
  }

  it("packages-layers-env 27: an AWS base image's entry script starts the runtime, not an emulator", async () => {
    await space.serve("base", image("base-node"));
    const answer = (await space.call("base", { n: 1 })) as Record<string, unknown>;
    assert.deepEqual(answer, { event: { n: 1 }, handler: "index.handler", directory: "/var/task", uid: 10_002 });
  });

  it("packages-layers-env 28: imageConfig.command is the argument of the image's ENTRYPOINT", async () => {
    await space.serve("commanded", image("base-node", { imageConfig: { command: ["other.handler"] } }));
    assert.equal(await space.call("commanded", {}), "other");
  });

  it("runs an image that is one static program and nothing else", async () => {
    await space.serve("scratch", image("scratch", { imageConfig: { command: ["one", "$(two)"] } }));
    const answer = (await space.call("scratch", { n: 1 })) as Record<string, unknown>;
    assert.deepEqual(answer["args"], ["/main", "one", "$(two)"]);
    assert.equal(answer["directory"], "/");
    assert.equal(answer["uid"], 10_002);
    assert.equal(answer["canWriteRoot"], false);
    assert.equal(answer["canWriteTmp"], true);
  });
});

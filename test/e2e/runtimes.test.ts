/** Each runtime client of test/clients as a function on the cluster: those of managed runtimes in images, the others as they come. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { FunctionSpecInput } from "../../crds/v1alpha1/function.ts";
import { stimuli } from "../clients/behaviours.ts";
import { buildClient } from "../clients/build.ts";
import { clientNames, clients, type Client, type ClientName } from "../clients/clients.ts";
import { expectations } from "../clients/expectations.ts";
import { zipBytes } from "../kit/zip-bytes.ts";
import { startFileServer } from "./file-server.ts";
import { progress } from "./fixture.ts";
import { runtimeImages } from "./image.ts";
import { jsonOf } from "./invoke.ts";
import { Space } from "./space.ts";

const served = clientNames.filter((name) => clients[name].runtime in runtimeImages);
const functionName = (name: ClientName): string => name.replaceAll(".", "-");

describe("runtime clients on the cluster", () => {
  let space: Space;

  before(async function () {
    this.timeout(20 * 60_000);
    space = await Space.open("e2e-runtimes");
    const packages = new Map<ClientName, Buffer>();
    for (const name of served) packages.set(name, zipFolder((await buildClient(name, progress)).task));
    const files = [...packages].map(([name, bytes]) => [`${name}.zip`, bytes] as const);
    const server = await startFileServer(space, Object.fromEntries(files));
    for (const [name, bytes] of packages) {
      const code = { url: `${server}/${name}.zip`, sha256: createHash("sha256").update(bytes).digest("hex") };
      await space.applyFunction(functionName(name), functionOf(clients[name], code));
    }
    for (const name of served) await space.waitReady(functionName(name));
  });
  after(async () => {
    await space.close();
  });

  for (const name of served) {
    const { error } = expectations[name].behaviours;

    it(`${clients[name].title}: answers, fails, sleeps past its timeout`, async () => {
      const { event } = stimuli.success;
      assert.deepEqual(await space.call(functionName(name), event), event.value);

      const failed = await space.invoke(functionName(name), stimuli.error.event);
      assert.equal(failed.headers["x-amz-function-error"], "Unhandled", failed.bytes.toString());
      assert.ok("clientError" in error);
      assert.equal(jsonOf(failed)["errorType"], error.clientError);
      assert.equal(jsonOf(failed)["errorMessage"], error.message);

      const late = await space.invoke(functionName(name), stimuli.timeout.event);
      assert.equal(late.headers["x-amz-function-error"], "Unhandled", late.bytes.toString());
      const requestId = late.headers["x-amzn-requestid"] ?? "";
      assert.deepEqual(jsonOf(late), {
        errorType: "Sandbox.Timedout",
        errorMessage: `RequestId: ${requestId} Error: Task timed out after 3.00 seconds`,
      });
      // Its environment would idle on, and a small node has not room for those of all.
      await space.kubectl("delete", "fn", functionName(name));
    });
  }
});

function functionOf({ runtime, handler }: Client, code: FunctionSpecInput["code"]): FunctionSpecInput {
  return { runtime, handler, code, memorySize: 512, timeout: 3 };
}

function zipFolder(folder: string): Buffer {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).filter((path) => !path.includes("__pycache__"));
  return zipBytes(
    paths.sort().map((path) => ({
      name: path.slice(folder.length + 1),
      content: readFileSync(path),
      mode: statSync(path).mode,
    })),
  );
}

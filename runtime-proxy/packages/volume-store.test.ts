import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipBytes } from "../../test/kit/zip-bytes.ts";
import { openVolumeStore } from "./volume-store.ts";

const content = Buffer.concat([Buffer.alloc(70_000, "a"), Buffer.alloc(70_000, "b")]);
const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
const kit = new URL("../../test/kit/", import.meta.url);

interface Ended {
  readonly wasKilled: boolean;
  readonly wasGranted: boolean;
}

async function live(directory: string, killAtStep: number): Promise<Ended> {
  const script = new URL("volume-store-life.ts", kit).pathname;
  const child = spawn(process.execPath, ["--import", new URL("kill-at-step.ts", kit).pathname, script, directory], {
    env: { ...process.env, KILL_AT_STEP: String(killAtStep), COLLECT: "1" },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 20_000,
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once("close", (...ended) => resolve(ended)),
  );
  assert.ok(code === 0 || signal === "SIGKILL", `the process ended with ${String(code ?? signal)}`);
  return { wasKilled: signal === "SIGKILL", wasGranted: output.includes("granted") };
}

describe("volume store", () => {
  it("shows a package whole or not at all after a kill at any step, and works on", async () => {
    const steps: { isThere: boolean; wasGranted: boolean }[] = [];
    for (let step = 1; ; step++) {
      const directory = await mkdtemp(join(tmpdir(), "volume-store-kill-"));
      const { wasKilled, wasGranted } = await live(directory, step);
      const store = await openVolumeStore({ directory });
      const isThere = (await store.find(digest)) !== undefined;
      assert.equal(await store.verify(digest), isThere, `step ${step}`);
      assert.deepEqual(await readdir(join(directory, "staging")), [], `step ${step}`);
      assert.deepEqual(await readdir(join(directory, "damaged")), [], `step ${step}`);
      const staged = await store.stage();
      await staged.write(content);
      assert.equal((await store.commit(staged, { unzippedBytes: 5, extensions: [] })).digest, digest);
      assert.ok(await store.verify(digest), `step ${step}`);
      await rm(directory, { recursive: true });
      if (!wasKilled) break;
      steps.push({ isThere, wasGranted });
      assert.ok(step < 100, "the process never ends by itself");
    }
    const phases = steps.map(
      ({ isThere, wasGranted }) => `${wasGranted ? "granted" : "before"}:${isThere ? "there" : "missing"}`,
    );
    // Missing until it is committed, there from then on, missing again once collecting has begun to remove it.
    const turns = phases.filter((phase, index) => phase !== phases[index - 1]);
    assert.deepEqual(turns, ["before:missing", "before:there", "granted:there", "granted:missing"]);
  }).timeout(120_000);

  it("asks the archive for extensions where an earlier release kept none, and has none of a damaged one", async () => {
    const directory = await mkdtemp(join(tmpdir(), "volume-store-old-"));
    for (const bytes of [zipBytes([{ name: "extensions/a" }, { name: "b" }]), content]) {
      const store = await openVolumeStore({ directory });
      const staged = await store.stage();
      await staged.write(bytes);
      const facts = await store.commit(staged, { unzippedBytes: 5, extensions: ["x"] });
      const hex = facts.digest.slice(7);
      const path = join(directory, "objects", hex.slice(0, 2), `${hex}.json`);
      const { extensions: _new, ...old } = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
      await writeFile(path, JSON.stringify(old));
      const found = await (await openVolumeStore({ directory })).find(facts.digest);
      assert.deepEqual(found, { ...facts, extensions: bytes === content ? [] : ["a"] });
    }
    await rm(directory, { recursive: true });
  });
});

import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openVolumeStore } from "../../runtime-proxy/packages/volume-store.ts";
import { describePackageStore } from "./package-store-suite.ts";

describePackageStore("volume", async () => {
  const directory = await mkdtemp(join(tmpdir(), "volume-store-"));
  return {
    store: await openVolumeStore({ directory }),
    reopen: () => openVolumeStore({ directory }),
    async damage(digest) {
      const hex = digest.slice("sha256:".length);
      const file = await open(join(directory, "objects", hex.slice(0, 2), `${hex}.zip`), "r+");
      await file.write("X", 500_000);
      await file.close();
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
});

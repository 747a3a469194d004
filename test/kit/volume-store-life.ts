/** A process that stores one package, grants it, and collects it when COLLECT is set; prints `granted` once the grant is promised. */
import { openVolumeStore } from "../../runtime-proxy/packages/volume-store.ts";

const store = await openVolumeStore({ directory: process.argv[2] ?? "" });
const staged = await store.stage();
await staged.write(Buffer.alloc(70_000, "a"));
await staged.write(Buffer.alloc(70_000, "b"));
const { digest } = await store.commit(staged, { unzippedBytes: 5, extensions: [] });
await store.grant(digest, "team-a", 1);
await new Promise((resolve) => process.stdout.write("granted\n", resolve));
if (process.env["COLLECT"] !== undefined) await store.collect(new Map(), 0, Date.now() + 1000);

import { fileURLToPath } from "node:url";
import { buildSupervisor } from "../kit/build-supervisor.ts";
import { describeSupervisor } from "./supervisor-suite.ts";

let binary = "";
before(async function () {
  this.timeout(300_000);
  binary = await buildSupervisor();
});

describeSupervisor("Go", () => ({ command: binary, args: [] }));

describeSupervisor("TypeScript", () => ({
  command: process.execPath,
  args: [fileURLToPath(new URL("../../local/supervisor.ts", import.meta.url))],
}));

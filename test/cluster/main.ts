/** The cluster by hand: `node test/cluster/main.ts up|down|status|load <archive>|env|build`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ownEnvironment } from "./cluster.ts";
import { buildAll } from "./build.ts";
import { daemonNames, deadDaemons, downOwnCluster, loadImage, stateDir, upOwnCluster } from "./own-cluster.ts";

const usage = `usage: node test/cluster/main.ts <command>
  up              build what is missing, start the cluster unless it is up, print what "env" prints
  down            end it, leaving no process, mount or interface
  status          which of its processes run; status 1 unless all do
  load <archive>  put the images of a docker or OCI archive on its node
  env             lines for a shell: eval "$(node test/cluster/main.ts env)"
  build           build everything, runtime images too, and print their archives`;

const show = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void> | void>> = {
  up: async () => {
    const { started } = await upOwnCluster(show);
    if (!started) show("cluster is up already");
    ownEnvironment().forEach(print);
  },
  down: async () => {
    await downOwnCluster();
    show(existsSync(stateDir) ? `cluster is down; its logs are in ${stateDir}/logs` : "cluster is down");
  },
  status: () => {
    const dead = deadDaemons();
    for (const name of daemonNames) print(`${name.padEnd(24)} ${dead.includes(name) ? "not running" : "running"}`);
    if (dead.length > 0) process.exitCode = 1;
  },
  load: async ([archive]) => {
    if (archive === undefined) throw new Error('Cannot load an image: "load" takes the path of an archive');
    await loadImage(resolve(archive));
  },
  env: () => ownEnvironment().forEach(print),
  build: async () => {
    for (const [image, archive] of Object.entries(await buildAll(show))) print(`${image} ${archive}`);
  },
};

// A reader that has seen enough, such as head, is no fault.
process.stdout.on("error", () => process.exit());

const [name = "", ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) {
  show(usage);
  process.exitCode = 2;
} else {
  try {
    await command(args);
  } catch (error) {
    show((error as Error).message);
    process.exitCode = 1;
  }
}

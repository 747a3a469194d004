/** Packs the examples that need it, when their tools are on this machine; says what is missing otherwise. */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";

const folder = "examples/thumbnail";
const packed = `${folder}/build/code.yaml`;
const sources = ["handler.py", "requirements.txt", "build.sh"].map((name) => `${folder}/${name}`);

if (!isFresh()) {
  process.stderr.write("Packing examples/thumbnail with its dependency from PyPI (once) …\n");
  try {
    execFileSync(`${folder}/build.sh`, { stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
  } catch (error) {
    const detail = (error as { stderr?: Buffer }).stderr?.toString().trim().split("\n").at(-1) ?? String(error);
    process.stderr.write(
      `Cannot pack examples/thumbnail: ${detail}\n  It needs python3 with pip (Debian: apt-get install python3-pip); the other examples run without.\n`,
    );
  }
}

function isFresh(): boolean {
  return existsSync(packed) && sources.every((source) => statSync(source).mtimeMs <= statSync(packed).mtimeMs);
}

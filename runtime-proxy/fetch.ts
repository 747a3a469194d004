/** Process `fetch`: reads something with what the kubelet gives it of a tenant's Secrets, and leaves how it went as its termination message. */
import { writeFileSync } from "node:fs";
import { imageFetchVariables } from "../crds/wire/images.ts";
import { fetchImageMessage } from "./fetch-image.ts";
import { fetchPackageMessage } from "./fetch-package.ts";

/** Its variables say whether it is an image or a package. */
export async function fetchMain(env: NodeJS.ProcessEnv): Promise<void> {
  const ending = new AbortController();
  process.once("SIGTERM", () => ending.abort(new Error("The pod is ending")));
  const isImage = env[imageFetchVariables.request] !== undefined;
  const message = isImage ? await fetchImageMessage(env) : await fetchPackageMessage(env, ending.signal);
  process.stdout.write(`${message}\n`);
  writeFileSync(env["KUBELAMBDA_TERMINATION_LOG"] ?? "/dev/termination-log", message);
}

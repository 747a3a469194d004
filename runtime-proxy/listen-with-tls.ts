import type { Clock } from "../lib/clock.ts";
import { startServer, type RunningServer, type ServerOptions } from "../lib/http/express.ts";
import { readTlsFiles, watchTlsFiles } from "../lib/http/tls-files.ts";
import type { Logger } from "../lib/logger.ts";
import type { RouterConfig } from "./router-config.ts";

/** Serves the Invoke API over TLS too where there is a certificate, always the newest; rejects when it cannot be used at the start. */
export async function listenWithTls(
  config: RouterConfig,
  options: Omit<ServerOptions, "port">,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<Omit<RunningServer, "setTls"> | undefined> {
  const directory = config.KUBELAMBDA_TLS_DIRECTORY;
  if (directory === undefined) return undefined;
  const tls = await readTlsFiles(directory);
  const server = await startServer({ ...options, port: config.KUBELAMBDA_TLS_PORT, tls });
  const stopWatch = watchTlsFiles(tls, {
    ...{ directory, clock },
    onChange: (files) => {
      server.setTls(files);
      log.info("Certificate renewed", { directory });
    },
    onError: (error) => log.error("Certificate cannot be used: the former one is served", { error }),
  });
  return {
    port: server.port,
    drain: () => server.drain(),
    async stop(deadlineMs) {
      stopWatch();
      await server.stop(deadlineMs);
    },
  };
}

/** A certificate and its key in files that may change while they are served, as the kubelet changes those of a Secret. */
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Clock } from "../clock.ts";

export interface TlsFiles {
  /** PEM, with the chain. */
  readonly cert: Buffer;
  /** PEM. */
  readonly key: Buffer;
}

export interface TlsWatchOptions {
  /** Holds `tls.crt` and `tls.key`, as a Secret of type kubernetes.io/tls has them. */
  readonly directory: string;
  readonly clock: Clock;
  readonly onChange: (files: TlsFiles) => void;
  /** Told of files that cannot be used; what was served before goes on. */
  readonly onError: (error: Error) => void;
  /** Default 10,000. */
  readonly everyMs?: number;
}

/** Reads both files; rejects with an Error that says what is wrong with them. */
export async function readTlsFiles(directory: string): Promise<TlsFiles> {
  const [cert, key] = await Promise.all([readFile(`${directory}/tls.crt`), readFile(`${directory}/tls.key`)]);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot use the certificate in "${directory}": ${problem}`, { cause });
  }
  return { cert, key };
}

/** Looks again and again; the returned function ends it. A pair caught in the middle of its change is read on the next look. */
export function watchTlsFiles(first: TlsFiles, options: TlsWatchOptions): () => void {
  const { directory, clock, onChange, onError, everyMs = 10_000 } = options;
  let current = first;
  let isStopped = false;
  let cancel = (): void => undefined;
  const look = async (): Promise<void> => {
    try {
      const files = await readTlsFiles(directory);
      if (!files.cert.equals(current.cert) || !files.key.equals(current.key)) {
        current = files;
        onChange(files);
      }
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)));
    }
    if (!isStopped) cancel = clock.schedule(everyMs, () => void look());
  };
  cancel = clock.schedule(everyMs, () => void look());
  return () => {
    isStopped = true;
    cancel();
  };
}

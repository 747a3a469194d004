/** Certificates of authorities of one's own, in a file that may be changed while we run: a mounted Secret or ConfigMap is. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/** It travels in the variables of pods, whose size the kernel bounds (128 KiB each). */
export const caBundleLimitBytes = 65_536;

export class CaBundle {
  readonly #path: string;
  readonly #onProblem: (message: string) => void;
  #text: string;

  /** Throws when the file is none; an empty path is a bundle of nothing. `onProblem` is told when it later becomes none: then the last good one stays. */
  constructor(path: string, onProblem: (message: string) => void = () => undefined) {
    this.#path = path;
    this.#onProblem = onProblem;
    this.#text = path === "" ? "" : readBundle(path);
  }

  /** As it stands now: PEM, or empty. */
  read(): string {
    if (this.#path === "") return "";
    try {
      this.#text = readBundle(this.#path);
    } catch (error) {
      this.#onProblem(error instanceof Error ? error.message : String(error));
    }
    return this.#text;
  }
}

function readBundle(path: string): string {
  const text = readFileSync(path, "utf8");
  const problem = findBundleProblem(text);
  if (problem !== undefined) throw new Error(`Cannot use CA bundle "${path}": ${problem}`);
  return text;
}

/** Undefined for PEM of one or more certificates. */
export function findBundleProblem(text: string): string | undefined {
  if (Buffer.byteLength(text) > caBundleLimitBytes)
    return `longer than ${caBundleLimitBytes} bytes; public authorities are trusted anyway, so name your own alone`;
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) return "it has no certificate (PEM, -----BEGIN CERTIFICATE-----)";
  const broken = certificates.findIndex((pem) => !isCertificate(pem));
  return broken === -1 ? undefined : `its certificate ${broken + 1} cannot be read`;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== "";
  } catch {
    return false;
  }
}

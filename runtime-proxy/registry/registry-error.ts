import type { ImageErrorCode } from "../../crds/wire/images.ts";

/** `DigestMismatch`: the registry sent other bytes than it promised. */
export type RegistryErrorCode = ImageErrorCode | "DigestMismatch";

/** Why an image or an artifact cannot be used, for the user who named it. */
export class RegistryError extends Error {
  readonly code: RegistryErrorCode;
  /** How long the registry wants to be left alone, ms. */
  readonly retryAfterMs: number | undefined;
  constructor(
    code: RegistryErrorCode,
    message: string,
    { cause, retryAfterMs }: { readonly cause?: unknown; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RegistryError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Text of foreign origin as it may stand in a message: quoted, escaped, at most 200 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

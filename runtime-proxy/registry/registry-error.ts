import type { ImageErrorCode } from "../../crds/wire/images.ts";

/** Why an image cannot be used, for the user who named it. */
export class RegistryError extends Error {
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "RegistryError";
    this.code = code;
  }
}

/** Text of foreign origin as it may stand in a message: quoted, escaped, at most 200 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

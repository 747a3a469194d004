import { z } from "zod";
import { text } from "./text.ts";

/** Of code or content from a source that may change. */
export const sourceReadSchema = z.object({
  digest: text(80).describe("sha256:<hex> of what the source was read as last"),
  revision: text(1024).describe("What the source calls these bytes (ETag): while it stands they are not read again"),
});
export type SourceRead = z.infer<typeof sourceReadSchema>;

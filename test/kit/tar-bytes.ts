import { pack, type Header } from "tar-stream";

/** One member; what is not said is what an honest tool writes. */
export interface TarEntryDraft extends Partial<Omit<Header, "size">> {
  readonly name: string;
  readonly content?: string | Buffer;
}

/** A tar as bytes. */
export async function tarBytes(entries: readonly TarEntryDraft[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = "", ...header } of entries) {
    const type = header.type ?? (header.name.endsWith("/") ? "directory" : "file");
    const mode = header.mode ?? (type === "directory" ? 0o755 : 0o644);
    if (type === "file") archive.entry({ ...header, type, mode }, Buffer.from(content));
    else archive.entry({ ...header, type, mode, size: 0 });
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

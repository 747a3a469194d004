import { crc32, deflateRawSync } from "node:zlib";

/** An entry with every field to be lied about; what is not given is what an honest Unix zip has. */
export interface ZipEntryDraft {
  readonly name: string | Buffer;
  readonly content?: string | Buffer;
  /** Unix mode with its type bits; default 0o100644. */
  readonly mode?: number;
  /** Upper byte of "version made by": 3 is Unix, 0 Windows. */
  readonly host?: number;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  readonly uncompressedBytes?: number;
  /** Bytes that follow the name in the local header. */
  readonly localExtra?: Buffer;
  /** Instead of the place where it is. */
  readonly headerOffset?: number;
  /** No local header and no data: for entries that share those of another. */
  readonly isAbsent?: boolean;
}

export interface ZipDraft {
  readonly diskNumber?: number;
  readonly entryCount?: number;
}

/** A zip as bytes, honest or not: tests say what an attacker would. */
export function zipBytes(entries: readonly ZipEntryDraft[], draft: ZipDraft = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const fields = fieldsOf(entry);
    directory.push(centralHeader(entry, fields, entry.headerOffset ?? offset));
    if (entry.isAbsent === true) continue;
    const local = Buffer.concat([localHeader(entry, fields), fields.data]);
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  return Buffer.concat([
    ...parts,
    central,
    endRecord(offset, central.length, draft.entryCount ?? entries.length, draft),
  ]);
}

interface Fields {
  readonly name: Buffer;
  readonly data: Buffer;
  readonly method: number;
  readonly crc: number;
  readonly uncompressedBytes: number;
}

function fieldsOf(entry: ZipEntryDraft): Fields {
  const content = Buffer.from(entry.content ?? "");
  const method = entry.method ?? (content.length > 0 ? 8 : 0);
  return {
    name: Buffer.from(entry.name),
    data: method === 8 ? deflateRawSync(content) : content,
    method,
    crc: entry.crc ?? crc32(content),
    uncompressedBytes: entry.uncompressedBytes ?? content.length,
  };
}

function localHeader(entry: ZipEntryDraft, { name, data, method, crc, uncompressedBytes }: Fields): Buffer {
  const extra = entry.localExtra ?? Buffer.alloc(0);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(entry.flags ?? 0, 6);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(data.length, 18);
  header.writeUInt32LE(uncompressedBytes, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

function centralHeader(entry: ZipEntryDraft, fields: Fields, offset: number): Buffer {
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(((entry.host ?? 3) << 8) | 20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(entry.flags ?? 0, 8);
  header.writeUInt16LE(fields.method, 10);
  header.writeUInt32LE(fields.crc, 16);
  header.writeUInt32LE(fields.data.length, 20);
  header.writeUInt32LE(fields.uncompressedBytes, 24);
  header.writeUInt16LE(fields.name.length, 28);
  header.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 38);
  header.writeUInt32LE(offset, 42);
  return Buffer.concat([header, fields.name]);
}

function endRecord(offset: number, bytes: number, entryCount: number, { diskNumber = 0 }: ZipDraft): Buffer {
  const record = Buffer.alloc(22);
  record.writeUInt32LE(0x06054b50, 0);
  record.writeUInt16LE(diskNumber, 4);
  record.writeUInt16LE(entryCount & 0xffff, 8);
  record.writeUInt16LE(entryCount & 0xffff, 10);
  record.writeUInt32LE(bytes, 12);
  record.writeUInt32LE(offset, 16);
  return record;
}

import { crc32, deflateSync, inflateSync } from "node:zlib";

/** 8 bits a channel, four channels, row by row. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgba: Buffer;
}

const signature = Buffer.from("89504e470d0a1a0a", "hex");

/** Source: PNG specification (ISO/IEC 15948), colour type 6, filter 0. */
export function encodePng({ width, height, rgba }: Picture): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const rows = Array.from({ length: height }, (_, row) =>
    Buffer.concat([Buffer.of(0), rgba.subarray(row * width * 4, (row + 1) * width * 4)]),
  );
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Reads what encodePng writes, and any PNG of colour type 6 whose rows are not filtered; throws on others. */
export function decodePng(png: Buffer): Picture {
  if (!png.subarray(0, 8).equals(signature)) throw new Error("Cannot read the picture: it is no PNG");
  const chunks = new Map<string, Buffer[]>();
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    chunks.set(type, [...(chunks.get(type) ?? []), png.subarray(at + 8, at + 8 + length)]);
    at += 12 + length;
  }
  const header = chunks.get("IHDR")?.[0] ?? Buffer.alloc(13);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  if (header.subarray(8, 10).toString("hex") !== "0806") throw new Error("Cannot read the picture: not 8 bit RGBA");
  const raw = inflateSync(Buffer.concat(chunks.get("IDAT") ?? []));
  const rows = Array.from({ length: height }, (_, row) =>
    raw.subarray(row * (width * 4 + 1), (row + 1) * (width * 4 + 1)),
  );
  const filter = rows.find((row) => row[0] !== 0)?.[0];
  if (filter !== undefined) throw new Error(`Cannot read the picture: a row has filter ${filter}`);
  return { width, height, rgba: Buffer.concat(rows.map((row) => row.subarray(1))) };
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

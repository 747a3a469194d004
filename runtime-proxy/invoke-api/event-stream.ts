import { crc32 } from "node:zlib";

/**
 * Messages of `application/vnd.amazon.eventstream`, big-endian: uint32 length of the message, uint32 length of its headers, CRC32 of
 * these 8 bytes, headers, payload, CRC32 of everything before. A header: uint8 length of its name, name, uint8 type (7: text),
 * uint16 length of its value, value. Source: AWS SDK, event stream encoding.
 */
export const EVENT_STREAM_TYPE = "application/vnd.amazon.eventstream";

/** Longest payload of one message, bytes: what every client of this encoding takes. Source: AWS SDK for Java, 16 MB a message. */
export const LONGEST_PAYLOAD_BYTES = 8 * 1024 * 1024;

const preludeBytes = 12;
const crcBytes = 4;
const textType = 7;

/** Encodes headers once for many messages. Names have at most 255 bytes, values 65,535. */
export function encodeEventHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).map(([name, value]) => {
    const [nameBytes, valueBytes] = [Buffer.byteLength(name), Buffer.byteLength(value)];
    const header = Buffer.alloc(4 + nameBytes + valueBytes);
    header.writeUInt8(nameBytes, 0);
    header.write(name, 1);
    header.writeUInt8(textType, 1 + nameBytes);
    header.writeUInt16BE(valueBytes, 2 + nameBytes);
    header.write(value, 4 + nameBytes);
    return header;
  });
  return Buffer.concat(parts);
}

/** One message. Its payload is copied: both checksums are in it. */
export function encodeEventMessage(headers: Buffer, payload: Uint8Array): Buffer {
  const payloadAt = preludeBytes + headers.length;
  const crcAt = payloadAt + payload.length;
  const message = Buffer.allocUnsafe(crcAt + crcBytes);
  message.writeUInt32BE(message.length, 0);
  message.writeUInt32BE(headers.length, 4);
  message.writeUInt32BE(crc32(message.subarray(0, 8)), 8);
  message.set(headers, preludeBytes);
  message.set(payload, payloadAt);
  message.writeUInt32BE(crc32(message.subarray(0, crcAt)), crcAt);
  return message;
}

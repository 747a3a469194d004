import { Readable } from "node:stream";
import type { Bucket } from "../../runtime-proxy/packages/bucket.ts";

interface Kept {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
  readonly etag: string;
}

/** A bucket in memory, strongly consistent as S3 is. `turn` is awaited before every operation takes effect. */
export class MemoryBucket {
  readonly objects = new Map<string, Kept>();
  nowMs = 0;
  #writes = 0;

  open(turn: () => Promise<void> = () => Promise.resolve()): Bucket {
    return {
      put: async (key, { open }) => {
        const chunks: Buffer[] = [];
        const content = open();
        if (content instanceof Readable) for await (const chunk of content) chunks.push(chunk as Buffer);
        else chunks.push(Buffer.from(content));
        await turn();
        const etag = `"${++this.#writes}"`;
        this.objects.set(key, { bytes: Buffer.concat(chunks), modifiedAtMs: this.nowMs, etag });
        return etag;
      },
      get: async (key) => {
        await turn();
        const kept = this.objects.get(key);
        return kept === undefined ? undefined : Readable.from([kept.bytes]);
      },
      head: async (key) => {
        await turn();
        const kept = this.objects.get(key);
        return kept === undefined ? undefined : { bytes: kept.bytes.length, etag: kept.etag };
      },
      list: async (prefix, limit = Infinity) => {
        await turn();
        return [...this.objects]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, { bytes, modifiedAtMs }]) => ({ key, bytes: bytes.length, modifiedAtMs }))
          .sort((a, b) => (a.key < b.key ? -1 : 1))
          .slice(0, limit);
      },
      remove: async (key) => {
        await turn();
        this.objects.delete(key);
      },
    };
  }
}

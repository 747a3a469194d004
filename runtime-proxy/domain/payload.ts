/** A body as the chunks that arrived: a copy would double the largest ones. */
export interface Payload {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
}

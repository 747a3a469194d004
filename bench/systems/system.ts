/** Something that answers calls, running in processes of its own. */
export interface System {
  readonly name: string;
  /** `http://host:port`; several where one of them serves one call at a time. */
  readonly origins: readonly string[];
  readonly path: string;
  /** Besides content-type. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The processes that work for a call, as they are now. */
  pidsByRole(): Readonly<Record<string, readonly number[]>>;
  end(): Promise<void>;
}

/** What an agent obeys: positions rise, and whoever has seen one takes nothing that stands before it. No import: the agent pays for every module. */

/** Of a grant, or of what an agent has seen last. */
export interface Position {
  /** Of the roster under which an account has its owner. 0: before any. */
  readonly epoch: number;
  /** Rises with every grant of an environment; each life of an owner under one roster begins far from where others did. 0: of none. */
  readonly turn: number;
}

/** The owner's leave to run one call in one environment. */
export interface Grant extends Position {
  /** The environment's own clock when it sent what its owner heard of it last, ms: so old is the owner's word. */
  readonly heardMs: number;
}

/** Header of router → agent that carries a grant. */
export const GRANT_HEADER = "x-kubelambda-grant";
/** Headers of a router's acknowledgement, and of a claim: who owns the account, and since when. */
export const EPOCH_HEADER = "x-kubelambda-epoch";
export const OWNER_HEADER = "x-kubelambda-owner";

export const startPosition: Position = { epoch: 0, turn: 0 };

/** Lives of an owner under one roster begin further from each other than one comes between two numbers that an agent sees. */
const farTurns = 100_000;

/** Whether two positions of one epoch come from different lives of its owner: nothing tells which of them is the newer. */
export function isOfAnotherLife(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.turn > 0 && b.turn > 0 && Math.abs(a.turn - b.turn) > farTurns;
}

/** Whether `a` stands before `b`. */
export function isBefore(a: Position, b: Position): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.turn < b.turn);
}

export function formatGrant({ epoch, turn, heardMs }: Grant): string {
  return `${epoch}.${turn}.${heardMs}`;
}

/** Undefined when it is none. */
export function parseGrant(text: string): Grant | undefined {
  const numbers = /^(\d{1,15})\.(\d{1,16})\.(\d{1,15})$/.exec(text)?.slice(1).map(Number);
  if (numbers === undefined) return undefined;
  const [epoch = 0, turn = 0, heardMs = 0] = numbers;
  return { epoch, turn, heardMs };
}

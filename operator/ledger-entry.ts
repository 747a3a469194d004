/** What the ledger says of the numbers of one thing, and what it says after one more was given. Pure. */
import { formatRanges, hasNumber, parseRanges, withoutNumber, type NumberRange } from "./number-ranges.ts";

/** A certain number, for somebody and for something. */
export interface NumberClaim {
  readonly number: number;
  /** Who claims it, e.g. a uid. */
  readonly holder: string;
  /** What it is for: whoever wants it for the same again may have it again. */
  readonly identity: string;
  /** The holder has not used it yet: what was given to it and lost may be given to it again. */
  readonly isUnused: boolean;
}

export interface NumberWanted {
  /** Letters, digits, `-`, `_`, `.`: what the numbers are for, e.g. `layer.tools`. */
  readonly entry: string;
  /** Known to be given, though the ledger may have been lost: the answer is above it. */
  readonly floor: number;
  /** Absent: the next. */
  readonly claim?: NumberClaim | undefined;
  /** Who counts on the next number: is the last one this holder's and not used yet (`floor` is below it), it is given again. */
  readonly holder?: string | undefined;
  /** What the next number is for, where a claim to it may come later: it is then given for the same again. */
  readonly identity?: string | undefined;
}

export type LedgerData = Readonly<Record<string, string>>;

/** The number and what is to be written before it is used; undefined: the claimed number was given to another. */
export interface NumberGiven {
  readonly number: number;
  /** A null removes. */
  readonly changes: Readonly<Record<string, string | null>>;
}

/**
 * `entry` has the last number, `entry.holder` who counted to it, `entry.gaps` those below it that nobody was given, `entry.<number>`
 * who claimed that and for what, `entry.counted` the last number that was counted to for something that may be claimed, and for what.
 * Throws Error on what is none of it.
 */
export function giveNumber(data: LedgerData, wanted: NumberWanted): NumberGiven | undefined {
  const { claim } = wanted;
  return claim === undefined ? giveNext(data, wanted) : giveClaimed(data, wanted, claim);
}

function giveNext(data: LedgerData, { entry, floor, holder, identity }: NumberWanted): NumberGiven {
  const last = lastOf(data, entry);
  const noted = (number: number): Record<string, string> =>
    identity === undefined ? {} : { [`${entry}.counted`]: `${number}/${identity}` };
  // What it is for may have changed since.
  if (holder !== undefined && last > floor && data[`${entry}.holder`] === holder)
    return { number: last, changes: noted(last) };
  const number = Math.max(last, floor) + 1;
  if (number > Number.MAX_SAFE_INTEGER) throw new Error(`entry "${entry}": no number is left`);
  return { number, changes: { [entry]: String(number), ...holderChange(data, entry, holder), ...noted(number) } };
}

function holderChange(data: LedgerData, entry: string, holder: string | undefined): Record<string, string | null> {
  const member = `${entry}.holder`;
  if (holder !== undefined) return { [member]: holder };
  return data[member] === undefined ? {} : { [member]: null };
}

function giveClaimed(data: LedgerData, { entry, floor }: NumberWanted, claim: NumberClaim): NumberGiven | undefined {
  const last = Math.max(lastOf(data, entry), floor);
  const { number } = claim;
  const changes = { [`${entry}.${number}`]: `${claim.holder}/${claim.identity}` };
  const gaps = gapsOf(data, entry);
  if (number > last) {
    const skipped: readonly NumberRange[] = number === last + 1 ? [] : [[last + 1, number - 1]];
    const raised = { [entry]: String(number), ...holderChange(data, entry, undefined) };
    return { number, changes: { ...changes, ...raised, ...gapChange(entry, [...gaps, ...skipped]) } };
  }
  if (hasNumber(gaps, number))
    return { number, changes: { ...changes, ...gapChange(entry, withoutNumber(gaps, number)) } };
  const wasCounted = data[`${entry}.counted`] === `${number}/${claim.identity}`;
  return wasCounted || isRepeated(data[`${entry}.${number}`], claim) ? { number, changes } : undefined;
}

function gapChange(entry: string, gaps: readonly NumberRange[]): Record<string, string | null> {
  return { [`${entry}.gaps`]: gaps.length === 0 ? null : formatRanges(gaps) };
}

function isRepeated(record: string | undefined, { holder, identity, isUnused }: NumberClaim): boolean {
  const [formerHolder, formerIdentity] = (record ?? "").split("/");
  return (isUnused && formerHolder === holder) || formerIdentity === identity;
}

function lastOf(data: LedgerData, entry: string): number {
  const text = data[entry] ?? "0";
  if (/^[0-9]{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw unreadable(entry, text, "the last number that was given");
}

function gapsOf(data: LedgerData, entry: string): readonly NumberRange[] {
  const text = data[`${entry}.gaps`] ?? "";
  const gaps = parseRanges(text);
  if (gaps !== undefined) return gaps;
  throw unreadable(`${entry}.gaps`, text, 'the numbers that nobody was given, e.g. "1-2,4"');
}

function unreadable(entry: string, text: string, right: string): Error {
  return new Error(`entry "${entry}" of ConfigMap "${LEDGER_NAME}" is "${text.slice(0, 100)}"; right is ${right}`);
}

/** One ConfigMap a namespace. Nobody owns it. */
export const LEDGER_NAME = "kubelambda-ledger";

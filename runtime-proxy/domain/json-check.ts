/** Says whether bytes are one JSON text, chunk by chunk as they arrive, without building its value (RFC 8259). */

export type JsonVerdict = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** What may come next; numbers, since this is looked at for every byte. */
const value = 0;
const firstValueOrEnd = 1; // after "["
const firstKeyOrEnd = 2; // after "{"
const key = 3; // after "," in an object
const colon = 4;
const commaOrEnd = 5; // after a value
const text = 6;
const escape = 7;
const hex = 8;
const literal = 9;
const minus = 10;
const zero = 11;
const digits = 12;
const point = 13;
const fraction = 14;
const exponent = 15;
const exponentSign = 16;
const exponentDigits = 17;

const expectedIn: Readonly<Record<number, string>> = {
  [value]: "a value",
  [firstValueOrEnd]: "a value or ']'",
  [firstKeyOrEnd]: "a member name or '}'",
  [key]: "a member name",
  [colon]: "':'",
  [commaOrEnd]: "',' or the end",
  [text]: "the rest of a string",
  [escape]: "an escape",
  [hex]: "four hexadecimal digits",
  [literal]: "'true', 'false' or 'null'",
};

const literals: ReadonlyMap<number, readonly number[]> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), Array.from(word, (letter) => letter.charCodeAt(0))]),
);

/** Feed it with `push`, ask with `end`. It allocates one byte for each open bracket and nothing else. */
export class JsonCheck {
  #state = value;
  /** Open brackets, 1 for an object, 0 for an array. */
  #open = new Uint8Array(32);
  #depth = 0;
  #isKey = false;
  #hexLeft = 0;
  #word: readonly number[] = [];
  #wordAt = 0;
  #offset = 0;
  #wrongAt = -1;
  #wrongByte = 0;

  /** Bytes after the first wrong one are not looked at. */
  push(bytes: Uint8Array): void {
    if (this.#wrongAt >= 0) return;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at] ?? 0;
      if (this.#state === text) {
        // Most bytes of most payloads are inside strings.
        if (byte !== 0x22 && byte !== 0x5c && byte >= 0x20) continue;
      } else if (this.#state <= commaOrEnd && (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09)) {
        continue;
      }
      if (!this.#step(byte)) {
        this.#wrongAt = this.#offset + at;
        this.#wrongByte = byte;
        return;
      }
    }
    this.#offset += bytes.length;
  }

  /** The verdict on everything pushed. */
  end(): JsonVerdict {
    if (this.#wrongAt >= 0) {
      const found = describe(this.#wrongByte);
      return { ok: false, message: `Unexpected ${found} at byte ${this.#wrongAt}: ${this.#expected()} was expected` };
    }
    if (this.#depth === 0 && (this.#state === commaOrEnd || isCompleteNumber(this.#state))) return { ok: true };
    return { ok: false, message: `Unexpected end of input at byte ${this.#offset}: ${this.#expected()} was expected` };
  }

  #expected(): string {
    if (this.#depth === 0 && (this.#state === commaOrEnd || isCompleteNumber(this.#state))) return "the end of input";
    return expectedIn[this.#state] ?? "a number";
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case value:
        return this.#beginValue(byte);
      case firstValueOrEnd:
        return byte === 0x5d ? this.#close(0) : this.#beginValue(byte);
      case firstKeyOrEnd:
        return byte === 0x7d ? this.#close(1) : this.#beginKey(byte);
      case key:
        return this.#beginKey(byte);
      case colon:
        return byte === 0x3a && this.#go(value);
      case commaOrEnd:
        return this.#afterValue(byte);
      case text:
        return this.#inText(byte);
      case escape:
        return this.#inEscape(byte);
      case hex:
        return this.#inHex(byte);
      case literal:
        return this.#inLiteral(byte);
      default:
        return this.#inNumber(byte);
    }
  }

  #go(state: number): true {
    this.#state = state;
    return true;
  }

  #beginValue(byte: number): boolean {
    if (byte === 0x22) {
      this.#isKey = false;
      return this.#go(text);
    }
    if (byte === 0x7b) return this.#openBracket(1);
    if (byte === 0x5b) return this.#openBracket(0);
    if (byte === 0x2d) return this.#go(minus);
    if (byte === 0x30) return this.#go(zero);
    if (isDigit(byte)) return this.#go(digits);
    const word = literals.get(byte);
    if (word === undefined) return false;
    this.#word = word;
    this.#wordAt = 1;
    return this.#go(literal);
  }

  #beginKey(byte: number): boolean {
    if (byte !== 0x22) return false;
    this.#isKey = true;
    return this.#go(text);
  }

  #openBracket(isObject: 0 | 1): boolean {
    if (this.#depth === this.#open.length) {
      const larger = new Uint8Array(this.#open.length * 2);
      larger.set(this.#open);
      this.#open = larger;
    }
    this.#open[this.#depth] = isObject;
    this.#depth += 1;
    return this.#go(isObject === 1 ? firstKeyOrEnd : firstValueOrEnd);
  }

  #close(isObject: 0 | 1): boolean {
    if (this.#depth === 0 || this.#open[this.#depth - 1] !== isObject) return false;
    this.#depth -= 1;
    return this.#go(commaOrEnd);
  }

  #afterValue(byte: number): boolean {
    if (byte === 0x2c && this.#depth > 0) return this.#go(this.#open[this.#depth - 1] === 1 ? key : value);
    if (byte === 0x7d) return this.#close(1);
    if (byte === 0x5d) return this.#close(0);
    return false;
  }

  #inText(byte: number): boolean {
    if (byte === 0x22) return this.#go(this.#isKey ? colon : commaOrEnd);
    return byte === 0x5c && this.#go(escape);
  }

  #inEscape(byte: number): boolean {
    if (byte === 0x75) {
      this.#hexLeft = 4;
      return this.#go(hex);
    }
    // " \ / b f n r t
    const isEscape = byte === 0x22 || byte === 0x5c || byte === 0x2f || byte === 0x62 || byte === 0x66 || byte === 0x6e;
    return (isEscape || byte === 0x72 || byte === 0x74) && this.#go(text);
  }

  #inHex(byte: number): boolean {
    const lower = byte | 0x20;
    if (!isDigit(byte) && !(lower >= 0x61 && lower <= 0x66)) return false;
    this.#hexLeft -= 1;
    return this.#hexLeft > 0 || this.#go(text);
  }

  #inLiteral(byte: number): boolean {
    if (byte !== this.#word[this.#wordAt]) return false;
    this.#wordAt += 1;
    return this.#wordAt < this.#word.length || this.#go(commaOrEnd);
  }

  #inNumber(byte: number): boolean {
    const next = nextInNumber(this.#state, byte);
    if (next >= 0) return this.#go(next);
    if (!isCompleteNumber(this.#state)) return false;
    // The number ended with the byte before: this one follows a value.
    this.#state = commaOrEnd;
    return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 || this.#afterValue(byte);
  }
}

/** The state after one more byte of a number, or -1 when the byte does not go on with it. */
function nextInNumber(state: number, byte: number): number {
  if (isDigit(byte)) {
    if (state === minus) return byte === 0x30 ? zero : digits;
    if (state === point) return fraction;
    if (state === exponent || state === exponentSign) return exponentDigits;
    return state === zero ? -1 : state;
  }
  if (byte === 0x2e) return state === zero || state === digits ? point : -1;
  if (byte === 0x65 || byte === 0x45) return state === zero || state === digits || state === fraction ? exponent : -1;
  return (byte === 0x2b || byte === 0x2d) && state === exponent ? exponentSign : -1;
}

function isCompleteNumber(state: number): boolean {
  return state === zero || state === digits || state === fraction || state === exponentDigits;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function describe(byte: number): string {
  return byte > 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `byte 0x${byte.toString(16).padStart(2, "0")}`;
}

/** Whole numbers as people read them, e.g. "1-2,4". Pure. */

export type NumberRange = readonly [first: number, last: number];

const pattern = /^([0-9]{1,16})(?:-([0-9]{1,16}))?$/;

/** Undefined when it is no list of ranges. */
export function parseRanges(text: string): readonly NumberRange[] | undefined {
  if (text === "") return [];
  const ranges = text.split(",").map((part): NumberRange | undefined => {
    const match = pattern.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    return [first, match[2] === undefined ? first : Number(match[2])];
  });
  return ranges.some((range) => range === undefined) ? undefined : (ranges as readonly NumberRange[]);
}

export function formatRanges(ranges: readonly NumberRange[]): string {
  return ranges.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(",");
}

export function hasNumber(ranges: readonly NumberRange[], number: number): boolean {
  return ranges.some(([first, last]) => first <= number && number <= last);
}

/** The ranges without one number. */
export function withoutNumber(ranges: readonly NumberRange[], number: number): readonly NumberRange[] {
  return ranges.flatMap(([first, last]): readonly NumberRange[] => {
    if (number < first || number > last) return [[first, last]];
    const [before, after]: readonly [NumberRange, NumberRange] = [
      [first, number - 1],
      [number + 1, last],
    ];
    return [before, after].filter(([from, to]) => from <= to);
  });
}

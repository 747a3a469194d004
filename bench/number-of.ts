/** A whole number above 0 from the environment, which makes a scenario smaller; throws when it is none. */
export function numberOf(variable: string, usual: number): number {
  const value = Number(process.env[variable] ?? usual);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`Cannot use ${variable}="${process.env[variable] ?? ""}": want a whole number above 0`);
}

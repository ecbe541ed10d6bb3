/** What data can ask of a string, for `toMatchObject`; without vitest, so that scripts can read the data too. */

/** A string with `part` in it, and without `absent`. */
export function holding(
  part: string,
  absent?: string,
): { asymmetricMatch(value: unknown): boolean; toString(): string } {
  return {
    asymmetricMatch: (value) =>
      String(value).includes(part) && (absent === undefined || !String(value).includes(absent)),
    toString: () => `a string with ${JSON.stringify(part)}`,
  }
}

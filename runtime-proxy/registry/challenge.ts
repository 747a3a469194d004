/** The header WWW-Authenticate of a registry: what proof it wants. Sources: RFC 9110 section 11, Docker's token authentication specification. Pure. */

export type Challenge =
  | { readonly scheme: "bearer"; readonly realm: string; readonly service?: string; readonly scope?: string }
  | { readonly scheme: "basic" };

/** The first challenge that we can answer, tokens first; undefined when there is none. */
export function parseChallenge(header: string): Challenge | undefined {
  const challenges = split(header);
  const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters["realm"] !== undefined);
  if (bearer !== undefined) {
    const { realm = "", service, scope } = bearer.parameters;
    return {
      scheme: "bearer",
      realm,
      ...(service !== undefined && { service }),
      ...(scope !== undefined && { scope }),
    };
  }
  return challenges.some(({ scheme }) => scheme === "basic") ? { scheme: "basic" } : undefined;
}

interface Part {
  readonly scheme: string;
  readonly parameters: Record<string, string>;
}

/** `Scheme a="b", c=d, Scheme2 …`: a word without `=` begins the next challenge. */
function split(header: string): Part[] {
  const parts: Part[] = [];
  const token = /\s*,?\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/y;
  // A header has at most 32 KiB (registry-http.ts), and every turn takes at least one character.
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name = "", quoted, bare] = match;
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? bare;
    if (value === undefined) parts.push({ scheme: name.toLowerCase(), parameters: {} });
    else {
      const last = parts.at(-1);
      if (last !== undefined) last.parameters[name.toLowerCase()] = value;
    }
  }
  return parts;
}

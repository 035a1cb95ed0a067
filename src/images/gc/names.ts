/** Patterns of image names in the collection policy. Pure. Source: Docker's reference rules for names without a registry. */

/** Which pattern, as written, a full name with a tag or digest fits; `undefined`: none. */
export function compileNames(patterns: readonly string[]): (name: string) => string | undefined {
  const compiled = patterns.map((pattern) => ({ pattern, fits: compile(pattern) }));
  return (name) => compiled.find(({ fits }) => fits(name))?.pattern;
}

function compile(pattern: string): (name: string) => boolean {
  if (pattern === '*') return () => true;
  const full = inFull(pattern);
  if (full.endsWith('/*')) {
    const below = expression(full.slice(0, -1));
    return (name) => new RegExp(`^${below}`).test(name);
  }
  const hasTag = full.includes('@') || full.lastIndexOf(':') > full.lastIndexOf('/');
  const whole = new RegExp(`^${expression(full)}${hasTag ? '' : '[:@].*'}$`);
  return (name) => whole.test(name);
}

/** With the registry, and with `library/`, where they are left out. */
function inFull(pattern: string): string {
  const slash = pattern.indexOf('/');
  const first = pattern.slice(0, Math.max(slash, 0));
  if (slash < 0) return `docker.io/library/${pattern}`;
  return /[.:*]/.test(first) || first === 'localhost' ? pattern : `docker.io/${pattern}`;
}

function expression(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, (character) =>
    character === '*' ? '[^/]*' : `\\${character}`,
  );
}

/**
 * Text of resolv.conf → what it says. Pure.
 *
 * Source: resolv.conf(5).
 */

/** What a resolv.conf says. */
export interface ResolvConf {
  /** Addresses as they stand there, also with a zone. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Never throws: lines that are not understood are passed over, as the C library does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  const options: string[] = [];
  let search: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [key, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (key === 'nameserver' && values[0] !== undefined) servers.push(values[0]);
    // The last of these lines wins.
    else if (key === 'search' || key === 'domain') search = values;
    else if (key === 'options') options.push(...values);
  }
  return { servers, search, options };
}

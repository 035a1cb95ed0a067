/** Flags that stand before the command. */

/** The flags of `carve` itself. */
export const globalFlags = {
  host: {
    kind: 'list',
    short: 'H',
    help: 'Talk to the engine at this address, unix://PATH or tcp://HOST:PORT',
  },
  config: {
    kind: 'string',
    help: 'Read the configuration from this directory',
    completes: 'directory',
  },
  debug: { kind: 'bool', short: 'D', help: 'Show where an error comes from' },
  version: { kind: 'bool', short: 'v', help: 'Print the version and quit' },
  help: { kind: 'bool', help: 'Print this help' },
  // Scripts written for docker pass these; they mean nothing here.
  context: { kind: 'string', short: 'c', help: '', isHidden: true },
  'log-level': { kind: 'string', short: 'l', help: '', isHidden: true },
} as const;

/**
 * The flags that describe a container, shared by `run` and `create`.
 *
 * Source: docker's `run` and `create`, every flag that means something on Linux.
 */

import { planFlags } from '../flags/plan.ts';
import type { FlagValues } from '../flags/table.ts';
import { limitsFlags, networkFlags, securityFlags } from './flags-host.ts';
import { filesFlags, healthFlags, programFlags } from './flags-program.ts';

const container = {
  name: { kind: 'string', help: 'Name the container' },
  interactive: { kind: 'bool', short: 'i', help: 'Keep standard input open' },
  tty: { kind: 'bool', short: 't', help: 'Give the container a terminal' },
  attach: { kind: 'list', short: 'a', help: 'Connect only this stream: stdin, stdout or stderr' },
  rm: { kind: 'bool', help: 'Remove the container and its anonymous volumes when it exits' },
  restart: {
    kind: 'string',
    help: 'Restart the container when it exits: no, always, unless-stopped, on-failure[:COUNT]',
    default: 'no',
  },
  pull: {
    kind: 'string',
    help: 'When to download the image',
    default: 'missing',
    choices: ['always', 'missing', 'never'],
  },
  platform: { kind: 'string', help: 'Use the image for this platform, e.g. linux/arm64' },
  quiet: { kind: 'bool', short: 'q', help: 'Do not show the progress of a download' },
  cidfile: { kind: 'string', help: "Write the container's id to this new file", completes: 'file' },
  label: { kind: 'list', short: 'l', help: 'Label the container with KEY or KEY=VALUE' },
  'label-file': {
    kind: 'list',
    help: 'Read labels from a file, one KEY=VALUE a line',
    completes: 'file',
  },
  annotation: { kind: 'map', help: 'Pass KEY=VALUE on to the runtime' },
  runtime: { kind: 'string', help: 'Run the container with this OCI runtime' },
  'log-driver': { kind: 'string', help: 'Keep the output this way, e.g. json-file or none' },
  'log-opt': { kind: 'list', help: 'Set an option of the log as KEY=VALUE' },
  ...planFlags,
  'use-api-socket': {
    kind: 'bool',
    help: "Let the container use this engine, with this user's logins",
  },
  'disable-content-trust': { kind: 'bool', help: '', default: true, isHidden: true },
} as const;

/** Every flag of `create`; `run` has a few more. */
export const createFlags: typeof container &
  typeof programFlags &
  typeof filesFlags &
  typeof networkFlags &
  typeof limitsFlags &
  typeof securityFlags &
  typeof healthFlags = {
  ...container,
  ...programFlags,
  ...filesFlags,
  ...networkFlags,
  ...limitsFlags,
  ...securityFlags,
  ...healthFlags,
};

/** Their values. */
export type CreateFlags = FlagValues<typeof createFlags>;

/**
 * Flags that describe the program of a container, its files and its health.
 *
 * Source: docker's `run` and `create`, every flag that means something on Linux.
 */

/** The program and how it runs. */
export const programFlags = {
  entrypoint: {
    kind: 'string',
    help: "Run this program instead of the image's entrypoint; empty takes the entrypoint away",
    group: 'Program',
  },
  env: {
    kind: 'list',
    short: 'e',
    help: 'Set an environment variable as NAME=VALUE; a name alone takes the value from here',
    group: 'Program',
  },
  'env-file': {
    kind: 'list',
    help: 'Read environment variables from a file, one NAME=VALUE a line',
    group: 'Program',
    completes: 'file',
  },
  user: {
    kind: 'string',
    short: 'u',
    help: 'Run as this user, NAME or UID, with an optional :GROUP',
    group: 'Program',
  },
  'group-add': { kind: 'list', help: 'Run with this further group', group: 'Program' },
  workdir: { kind: 'string', short: 'w', help: 'Start in this directory', group: 'Program' },
  hostname: { kind: 'string', short: 'h', help: "Set the container's host name", group: 'Program' },
  domainname: { kind: 'string', help: "Set the container's domain name", group: 'Program' },
  init: {
    kind: 'bool',
    help: 'Run a small init as process 1 that passes on signals and reaps children',
    group: 'Program',
  },
  'stop-signal': {
    kind: 'string',
    help: 'Stop the container with this signal',
    group: 'Program',
    completes: 'signal',
  },
  'stop-timeout': {
    kind: 'int',
    help: 'Wait so many seconds after the stop signal before killing',
    group: 'Program',
  },
} as const;

/** Its files. */
export const filesFlags = {
  volume: {
    kind: 'list',
    short: 'v',
    help: 'Mount a directory or volume as SOURCE:TARGET[:OPTIONS]; a target alone makes a new volume',
    group: 'Files',
    completes: 'directory',
  },
  mount: {
    kind: 'list',
    help: 'Mount as type=bind|volume|tmpfs|image,source=…,target=…,…',
    group: 'Files',
  },
  tmpfs: { kind: 'list', help: 'Mount a file system in memory at PATH[:OPTIONS]', group: 'Files' },
  'volumes-from': {
    kind: 'list',
    help: 'Mount all volumes of another container',
    group: 'Files',
    completes: 'container',
  },
  'volume-driver': { kind: 'string', help: 'Make volumes with this driver', group: 'Files' },
  'read-only': { kind: 'bool', help: "Make the container's own files read-only", group: 'Files' },
  'shm-size': { kind: 'bytes', help: 'Size of /dev/shm', group: 'Files' },
  'storage-opt': {
    kind: 'list',
    help: 'Set an option of the storage as KEY=VALUE',
    group: 'Files',
  },
} as const;

/** How its health is checked. */
export const healthFlags = {
  'health-cmd': {
    kind: 'string',
    help: 'Command that checks whether the container works',
    group: 'Health',
  },
  'health-interval': { kind: 'duration', help: 'Time between checks', group: 'Health' },
  'health-timeout': { kind: 'duration', help: 'Longest time of a check', group: 'Health' },
  'health-retries': {
    kind: 'int',
    help: 'Failures in a row that make it unhealthy',
    group: 'Health',
  },
  'health-start-period': {
    kind: 'duration',
    help: 'Time to start up in which failures do not count',
    group: 'Health',
  },
  'health-start-interval': {
    kind: 'duration',
    help: 'Time between checks while it starts up',
    group: 'Health',
  },
  'no-healthcheck': { kind: 'bool', help: "Do not run the image's check", group: 'Health' },
} as const;

/**
 * All commands, by name. Nothing of them is loaded but the one that is called:
 * start-up is part of every command's time.
 */

import { as, type CommandEntry, type GroupEntry, leaf } from './tree.ts';
import { networkEntries } from './network/entries.ts';
import { volumeEntries } from './volume/entries.ts';

const run = leaf(
  'run',
  'Create a container from an image and start it',
  async () => (await import('./container/run.ts')).runCommand,
);
const create = leaf(
  'create',
  'Create a container without starting it',
  async () => (await import('./container/create.ts')).createCommand,
);
const start = leaf(
  'start',
  'Start stopped containers',
  async () => (await import('./container/start.ts')).startCommand,
);
const stop = leaf(
  'stop',
  'Stop running containers',
  async () => (await import('./container/stop.ts')).stopCommand,
);
const restart = leaf(
  'restart',
  'Stop and start containers again',
  async () => (await import('./container/stop.ts')).restartCommand,
);
const kill = leaf(
  'kill',
  'Send a signal to running containers',
  async () => (await import('./container/kill.ts')).killCommand,
);
const rm = leaf(
  'rm',
  'Remove containers',
  async () => (await import('./container/rm.ts')).rmCommand,
);
const wait = leaf(
  'wait',
  'Wait until containers stop, then print their exit codes',
  async () => (await import('./container/wait.ts')).waitCommand,
);
const ps = leaf('ps', 'List containers', async () => (await import('./container/ps.ts')).psCommand);
const logs = leaf(
  'logs',
  'Print the output of a container',
  async () => (await import('./container/logs.ts')).logsCommand,
);
const attach = leaf(
  'attach',
  'Connect this terminal to a running container',
  async () => (await import('./container/attach.ts')).attachCommand,
);
const exec = leaf(
  'exec',
  'Run a command in a running container',
  async () => (await import('./container/exec.ts')).execCommand,
);
const rename = leaf(
  'rename',
  'Give a container another name',
  async () => (await import('./container/rename.ts')).renameCommand,
);
const pause = leaf(
  'pause',
  'Freeze all processes of containers',
  async () => (await import('./container/pause.ts')).pauseCommand,
);
const unpause = leaf(
  'unpause',
  'Let frozen containers go on',
  async () => (await import('./container/pause.ts')).unpauseCommand,
);
const top = leaf(
  'top',
  'List the processes of a container',
  async () => (await import('./container/top.ts')).topCommand,
);
const port = leaf(
  'port',
  'List the published ports of a container',
  async () => (await import('./container/port.ts')).portCommand,
);
const stats = leaf(
  'stats',
  'Show what containers use, as it changes',
  async () => (await import('./container/stats.ts')).statsCommand,
);
const diff = leaf(
  'diff',
  'List the files a container changed',
  async () => (await import('./container/diff.ts')).diffCommand,
);
const cp = leaf(
  'cp',
  'Copy files between a container and this machine',
  async () => (await import('./container/cp.ts')).cpCommand,
);
const commit = leaf(
  'commit',
  'Make an image of a container',
  async () => (await import('./container/commit.ts')).commitCommand,
);
const exportFiles = leaf(
  'export',
  'Write the files of a container as a tar archive',
  async () => (await import('./container/export.ts')).exportCommand,
);
const update = leaf(
  'update',
  'Change the limits of containers',
  async () => (await import('./container/update.ts')).updateCommand,
);
const containerInspect = leaf(
  'inspect',
  'Print all there is to know about containers',
  async () => (await import('./container/inspect.ts')).containerInspectCommand,
);
const containerPrune = leaf(
  'prune',
  'Remove all stopped containers',
  async () => (await import('./container/prune.ts')).containerPruneCommand,
);

const images = leaf(
  'images',
  'List images',
  async () => (await import('./image/ls.ts')).imagesCommand,
);
const history = leaf(
  'history',
  'Show how an image was made',
  async () => (await import('./image/history.ts')).historyCommand,
);
const tag = leaf(
  'tag',
  'Give an image another name',
  async () => (await import('./image/tag.ts')).tagCommand,
);
const rmi = leaf('rmi', 'Remove images', async () => (await import('./image/rm.ts')).rmiCommand);
const load = leaf(
  'load',
  'Load images from a tar archive',
  async () => (await import('./image/load.ts')).loadCommand,
);
const save = leaf(
  'save',
  'Write images as a tar archive',
  async () => (await import('./image/save.ts')).saveCommand,
);
const importFiles = leaf(
  'import',
  'Make an image from a tar archive of files',
  async () => (await import('./image/import.ts')).importCommand,
);
const pull = leaf(
  'pull',
  'Download an image from a registry',
  async () => (await import('./image/pull.ts')).pullCommand,
);
const push = leaf(
  'push',
  'Upload an image to a registry',
  async () => (await import('./image/push.ts')).pushCommand,
);
const imageInspect = leaf(
  'inspect',
  'Print all there is to know about images',
  async () => (await import('./image/inspect.ts')).imageInspectCommand,
);
const imagePrune = leaf(
  'prune',
  'Remove images that nothing uses',
  async () => (await import('./image/prune.ts')).imagePruneCommand,
);
const bootstrap = leaf(
  'bootstrap',
  'Make a base image from a distribution’s own archive',
  async () => (await import('./image/bootstrap.ts')).bootstrapCommand,
);

const manifestEntries: readonly CommandEntry[] = [
  leaf(
    'annotate',
    'Say which platform a manifest of a local list is for',
    async () => (await import('./manifest/annotate.ts')).manifestAnnotateCommand,
  ),
  leaf(
    'create',
    'Begin a local list of manifests',
    async () => (await import('./manifest/create.ts')).manifestCreateCommand,
  ),
  leaf(
    'inspect',
    'Print a manifest or a list',
    async () => (await import('./manifest/inspect.ts')).manifestInspectCommand,
  ),
  leaf(
    'push',
    'Upload a local list to a registry',
    async () => (await import('./manifest/push.ts')).manifestPushCommand,
  ),
  leaf(
    'rm',
    'Forget local lists',
    async () => (await import('./manifest/rm.ts')).manifestRmCommand,
  ),
];

const egressEntries: readonly CommandEntry[] = [
  leaf(
    'log',
    'List what containers tried to reach and might not',
    async () => (await import('./egress/log.ts')).egressLogCommand,
  ),
];

const info = leaf(
  'info',
  'Show what the engine is and has',
  async () => (await import('./system/info.ts')).infoCommand,
);
const version = leaf(
  'version',
  'Show the versions of carve and of the engine',
  async () => (await import('./system/version.ts')).versionCommand,
);
const events = leaf(
  'events',
  'Print what happens in the engine, as it happens',
  async () => (await import('./system/events.ts')).eventsCommand,
);
const df = leaf(
  'df',
  'Show how much disk space is used',
  async () => (await import('./system/df.ts')).dfCommand,
);
const gc = leaf(
  'gc',
  'Remove images by the engine’s own policy, or show what would go',
  async () => (await import('./system/gc.ts')).gcCommand,
);
const systemPrune = leaf(
  'prune',
  'Remove all that nothing uses',
  async () => (await import('./system/prune.ts')).systemPruneCommand,
);
const inspect = leaf(
  'inspect',
  'Print all there is to know about containers, images and more',
  async () => (await import('./system/inspect.ts')).inspectCommand,
);
const login = leaf(
  'login',
  'Log in to a registry',
  async () => (await import('./system/login.ts')).loginCommand,
);
const logout = leaf(
  'logout',
  'Log out from a registry',
  async () => (await import('./system/logout.ts')).logoutCommand,
);
const search = leaf(
  'search',
  'Search Docker Hub for images',
  async () => (await import('./system/search.ts')).searchCommand,
);

const completion = leaf(
  'completion',
  'Print the script that completes commands in a shell',
  async () => (await import('./system/completion.ts')).completionCommand,
);
/** Leaves and renamed leaves, in the order they are shown. */
const containerEntries: readonly CommandEntry[] = [
  attach,
  commit,
  cp,
  create,
  diff,
  exec,
  exportFiles,
  containerInspect,
  kill,
  logs,
  as(ps, 'ls', { aliases: ['list', 'ps'] }),
  pause,
  port,
  containerPrune,
  rename,
  restart,
  as(rm, 'rm', { aliases: ['remove'] }),
  run,
  start,
  stats,
  stop,
  top,
  unpause,
  update,
  wait,
];

const imageEntries: readonly CommandEntry[] = [
  bootstrap,
  history,
  importFiles,
  imageInspect,
  load,
  as(images, 'ls', { aliases: ['list'] }),
  imagePrune,
  pull,
  push,
  as(rmi, 'rm', { aliases: ['remove'] }),
  save,
  tag,
];

const groups: readonly GroupEntry[] = [
  group('container', 'Work with containers', containerEntries),
  group('egress', 'Look at what containers may reach', egressEntries),
  group('image', 'Work with images', imageEntries),
  group('manifest', 'Work with manifests and lists of them', manifestEntries),
  group('network', 'Work with networks', networkEntries),
  group('system', 'Work with the engine itself', [df, events, gc, info, systemPrune]),
  group('volume', 'Work with volumes', volumeEntries),
];

function group(name: string, summary: string, entries: readonly CommandEntry[]): GroupEntry {
  return { kind: 'group', name, summary, heading: 'Groups', entries };
}

const common = [run, exec, ps, logs, pull, push, images, login, logout, search, version, info];
const others: readonly CommandEntry[] = [
  attach,
  commit,
  completion,
  cp,
  create,
  diff,
  events,
  exportFiles,
  history,
  importFiles,
  inspect,
  kill,
  load,
  pause,
  port,
  rename,
  restart,
  rm,
  rmi,
  save,
  start,
  stats,
  stop,
  tag,
  top,
  unpause,
  update,
  wait,
];

/** `carve` itself. */
export const rootEntry: GroupEntry = {
  kind: 'group',
  name: 'carve',
  summary: 'Carve a machine into containers that feel like a whole system each',
  entries: [
    ...common.map((entry): CommandEntry => ({ ...entry, heading: 'Common commands' })),
    ...groups,
    ...others,
  ],
};

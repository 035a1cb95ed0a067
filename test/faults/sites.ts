/** Where the engine may die or fail, and which of them may fail without dying. */

/** Every failpoint of create, start, stop, restart, rename, pause, update, exit, remove and open. */
export const SITES: readonly string[] = [
  'create.begin',
  'create.name-reserved',
  'create.snapshot-prepared',
  'create.directory-made',
  'create.volumes-made',
  'create.row-inserted',
  'create.known',
  'create.announced',
  'start.begin',
  'start.files-written',
  'start.run-made',
  'start.user-found',
  'start.prepared',
  'start.spawned',
  'start.saved',
  'start.announced',
  'pause.begin',
  'pause.frozen',
  'unpause.thawed',
  'update.applied',
  'rename.reserved',
  'rename.saved',
  'restart.stopped',
  'stop.marked',
  'stop.signalled',
  'stop.gone',
  'kill.sent',
  'exit.before-lock',
  'exit.saved',
  'exit.announced',
  'exit.told',
  'remove.begin',
  'remove.row-deleted',
  'remove.committed',
  'remove.state-discarded',
  'remove.snapshot-removed',
  'remove.run-removed',
  'remove.done',
  'open.adopted',
  'open.swept',
];

/** Every failpoint of volumes: made, filled, copied, renamed, removed. */
export const VOLUME_SITES: readonly string[] = [
  'volume-create.begin',
  'volume-create.committed',
  'volume-stage.made',
  'volume-stage.filled',
  'volume-fill.begun',
  'volume-fill.copied',
  'volume-fill.done',
  'volume-rename.begin',
  'volume-rename.committed',
  'volume-rename.done',
  'volume-remove.begin',
  'volume-remove.committed',
];

/** Of these, the steps that can fail in earnest. */
export const FALLIBLE_VOLUME_SITES: readonly string[] = [
  'volume-create.begin',
  'volume-stage.made',
  'volume-stage.filled',
  'volume-fill.begun',
  'volume-rename.begin',
  'volume-remove.begin',
];

/** Every failpoint of a network's life. */
export const NETWORK_SITES: readonly string[] = [
  'network-create.begin',
  'network-create.saved',
  'network-create.made',
  'network-connect.saved',
  'network-disconnect.saved',
  'network-remove.begin',
  'network-remove.unmade',
  'network-remove.saved',
];

/** Steps that can fail in earnest; what follows a commit cannot. */
export const FALLIBLE: readonly string[] = [
  'create.begin',
  'create.name-reserved',
  'create.snapshot-prepared',
  'create.directory-made',
  'create.volumes-made',
  'create.row-inserted',
  'start.begin',
  'start.files-written',
  'start.run-made',
  'start.user-found',
  'start.prepared',
  'start.spawned',
  'pause.begin',
  'pause.frozen',
  'update.applied',
  'rename.reserved',
  'remove.begin',
  'remove.row-deleted',
];

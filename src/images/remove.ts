/**
 * Docker's rules of removing images, as a pure decision: which names go, which
 * images go, or why nothing does.
 *
 * Source: Engine API facts 5.9 (untag, single reference, conflicts soft and hard).
 */
import type { Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { shortDigest } from '../spec/digest.ts';
import { formatFamiliar, parseReference, repositoryOf } from '../spec/reference.ts';
import { fullNameOf, isIdReference } from './find.ts';
import type { ImageRecord, ImageUser, RemoveOptions } from './store.ts';

/** What to do, in order. */
export interface RemovePlan {
  /** Full names to take away. */
  readonly untag: readonly string[];
  /** Images to delete with all their names: the one asked for, then its parents. */
  readonly delete: readonly Digest[];
}

/** What the rules look at. */
export interface RemoveView {
  readonly image: ImageRecord;
  readonly reference: string;
  readonly options: RemoveOptions;
  /** The image by its id. */
  readonly get: (id: Digest) => ImageRecord | undefined;
  /** Images that were made from `id`. */
  readonly childrenOf: (id: Digest) => readonly Digest[];
}

/** Decide. Errors: `conflict`. */
export function planRemove(view: RemoveView): RemovePlan {
  const { image, reference } = view;
  const names = namesOf(image);
  if (!isIdReference(image, reference)) return planByName(view, names);
  if (isSingleReference(names)) {
    const conflict = findConflict(view, []);
    if (conflict !== undefined) throw conflict;
    return withDelete(view, names);
  }
  const conflict = findConflict(view, names);
  if (conflict !== undefined) throw conflict;
  return withDelete(view, names);
}

function planByName(view: RemoveView, names: readonly string[]): RemovePlan {
  const { image, reference, options } = view;
  if (!options.force && isSingleReference(names)) {
    const user = options.users(image.id)[0];
    if (user !== undefined) {
      throw new EngineError(
        'conflict',
        `conflict: unable to remove repository reference ${JSON.stringify(reference)} (must force) - container ${shortId(user)} is using its referenced image ${shortDigest(image.id)}`,
      );
    }
  }
  const name = fullNameOf(reference) ?? reference;
  const untag = [name, ...orphanedDigests(name, names)];
  const rest = names.filter((other) => !untag.includes(other));
  if (rest.length > 0) return { untag, delete: [] };
  // The name goes in any case; an image that others need stays, dangling.
  const conflict = findConflict(view, []);
  if (conflict !== undefined) return { untag, delete: [] };
  return withDelete(view, untag);
}

/** Digests of a repository go with its last tag. */
function orphanedDigests(removed: string, names: readonly string[]): readonly string[] {
  if (removed.includes('@')) return [];
  const repository = repositoryOf(parseReference(removed));
  const same = names.filter(
    (name) => name !== removed && repositoryOf(parseReference(name)) === repository,
  );
  return same.every((name) => name.includes('@')) ? same : [];
}

/** The image, then parents that nothing names, uses or stands on any more. */
function withDelete(view: RemoveView, untag: readonly string[]): RemovePlan {
  const deleted: Digest[] = [view.image.id];
  if (view.options.noPrune) return { untag, delete: deleted };
  for (let next = view.image.parent; next !== undefined; ) {
    const parent = view.get(next);
    if (
      parent === undefined ||
      namesOf(parent).length > 0 ||
      view.options.users(parent.id).length > 0
    )
      break;
    if (view.childrenOf(parent.id).some((child) => !deleted.includes(child))) break;
    deleted.push(parent.id);
    next = parent.parent;
  }
  return { untag, delete: deleted };
}

/** `names`: those that stand in the way unless forced. */
function findConflict(view: RemoveView, names: readonly string[]): EngineError | undefined {
  const { image, options } = view;
  const users = options.users(image.id);
  const running = users.find(({ isRunning }) => isRunning);
  const [stopped] = users;
  if (view.childrenOf(image.id).length > 0)
    return conflictOf(image, false, 'image has dependent child images');
  if (running !== undefined)
    return conflictOf(image, false, `image is being used by running container ${shortId(running)}`);
  if (options.force) return undefined;
  if (names.length > 0)
    return conflictOf(image, true, 'image is referenced in multiple repositories');
  if (stopped === undefined) return undefined;
  return conflictOf(image, true, `image is being used by stopped container ${shortId(stopped)}`);
}

function conflictOf(image: ImageRecord, canBeForced: boolean, why: string): EngineError {
  const force = canBeForced ? 'must be forced' : 'cannot be forced';
  return new EngineError(
    'conflict',
    `conflict: unable to delete ${shortDigest(image.id)} (${force}) - ${why}`,
  );
}

/** At most one tag, and everything in one repository. */
function isSingleReference(names: readonly string[]): boolean {
  const repositories = new Set(names.map((name) => repositoryOf(parseReference(name))));
  return repositories.size === 1 && names.filter((name) => !name.includes('@')).length <= 1;
}

function namesOf(image: ImageRecord): readonly string[] {
  return [...image.tags, ...image.digests];
}

function shortId({ containerId }: ImageUser): string {
  return containerId.slice(0, 12);
}

/** A full name as Docker prints it. */
export function familiarName(name: string): string {
  return formatFamiliar(parseReference(name));
}

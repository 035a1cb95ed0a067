/**
 * Where a program's time goes: the self time of a `.cpuprofile` by place.
 *
 * Source: Chrome DevTools Protocol, Profiler.Profile.
 */

/** A function in the profile. */
export interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    /** Line number, from 0; -1 for the runtime's own. */
    readonly lineNumber: number;
  };
}

/** The parts of a profile that are read. */
export interface Profile {
  readonly nodes: readonly ProfileNode[];
  /** Node ids, one for each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** Time spent in one place itself. */
export interface SelfTime {
  readonly place: string;
  /** Milliseconds. */
  readonly selfMs: number;
}

/** Self time by function and by folder of `src/`, most first; the idle time is left out. */
export function selfTimes(
  profile: Profile,
  placeOf: (node: ProfileNode) => string,
): readonly SelfTime[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const times = new Map<string, number>();
  profile.samples.forEach((id, index) => {
    const node = nodes.get(id);
    if (node === undefined || isIdle(node)) return;
    const place = placeOf(node);
    times.set(place, (times.get(place) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1000);
  });
  return [...times]
    .map(([place, selfMs]) => ({ place, selfMs }))
    .sort((a, b) => b.selfMs - a.selfMs);
}

function isIdle({ callFrame }: ProfileNode): boolean {
  return ['(root)', '(idle)', '(program)'].includes(callFrame.functionName);
}

/** `engine/containers`, `http/wire`, …, or `runtime` for what is not below `src/`. */
export function folderOf({ callFrame }: ProfileNode): string {
  const path = /\/src\/(.+)\/[^/]+\.ts$/.exec(callFrame.url)?.[1];
  return path ?? 'runtime and node: modules';
}

/** `name (engine/start.ts:12)`. */
export function functionOf({ callFrame }: ProfileNode): string {
  const name = callFrame.functionName === '' ? '(anonymous)' : callFrame.functionName;
  const path =
    /\/src\/(.+)$/.exec(callFrame.url)?.[1] ?? (callFrame.url === '' ? 'runtime' : callFrame.url);
  return `${name} (${path}:${callFrame.lineNumber + 1})`;
}

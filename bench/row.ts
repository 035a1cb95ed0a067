/** What a row of the table is: who is measured, in which unit, and what is asked. */

import type { CarveUnderTest } from './carve.ts';
import type { DockerUnderTest } from './docker.ts';
import type { Peers } from './peers.ts';
import { type Contestant, interleave, type Repetition, type Summary, summarize } from './stats.ts';

/** All that a row may use. Absent peers are `undefined`: the row measures who is there. */
export interface Bench {
  readonly carve: CarveUnderTest;
  readonly docker: DockerUnderTest | undefined;
  readonly peers: Peers;
  /** Folder for files of the run; removed at the end. */
  readonly work: string;
  /** Unpacked root of the busybox image, for runtimes without an engine. */
  readonly rootfs: string;
  /** Factor on the number of runs; 1 is the full bench. */
  readonly effort: number;
}

/** A ratio that the project asks for. */
export interface Goal {
  /** Name of the contestant that is measured against. */
  readonly against: string;
  /** Highest ratio carve / other for a row in which less is better; lowest for one in which more is better. */
  readonly ratio: number;
}

/** The figures of one contestant. */
export interface Figures {
  readonly name: string;
  readonly summary: Summary;
}

/** One line group of the table. */
export interface RowResult {
  readonly title: string;
  readonly unit: string;
  readonly isMoreBetter: boolean;
  /** carve first. */
  readonly figures: readonly Figures[];
  readonly goals: readonly Goal[];
}

/** One row. It cleans up what it makes, also when it fails. */
export interface Row {
  /** Short name for `--rows`. */
  readonly name: string;
  /** Several results where one set-up answers several questions. */
  run(bench: Bench): Promise<readonly RowResult[]>;
}

/** A row whose samples are taken by turns. */
export interface TimedRow {
  readonly title: string;
  readonly contestants: readonly Contestant[];
  readonly repetition: Repetition;
  readonly goals: readonly Goal[];
}

/** Measures the contestants of a row in milliseconds. */
export async function timedResult(row: TimedRow): Promise<RowResult> {
  const samples = await interleave(row.contestants, row.repetition);
  const figures = [...samples].map(([name, values]) => ({ name, summary: summarize(values) }));
  return { title: row.title, unit: 'ms', isMoreBetter: false, figures, goals: row.goals };
}

/** `runs` scaled by the effort, at least three. */
export function scaled(bench: Bench, runs: number): Repetition {
  return { runs: Math.max(3, Math.round(runs * bench.effort)), warmups: bench.effort < 1 ? 1 : 3 };
}

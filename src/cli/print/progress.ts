/**
 * Progress of pulls, pushes and loads: on a terminal one line a layer that is
 * drawn anew, elsewhere one line for each thing that happened.
 *
 * Source: Docker Engine API `JSONMessage`; the texts are docker's.
 */

import { EngineError } from '../../base/error.ts';
import type { Progress } from '../../client/types.ts';
import type { Output } from '../io.ts';
import { neutraliseCell, neutraliseText } from './safe.ts';
import { formatSize } from './units.ts';

/** Prints the steps of an operation to its end. Throws what the engine reports on the way. */
export async function printProgress(
  steps: AsyncIterable<Progress>,
  output: Output,
  onAux: (aux: object) => void = () => undefined,
): Promise<void> {
  const screen = output.isTerminal ? new Screen(output) : new Lines(output);
  for await (const step of steps) {
    if (step.aux !== undefined) onAux(step.aux);
    throwReported(step);
    await screen.show(step);
  }
}

/** Runs an operation without printing its steps; gives the texts it reported. Throws what the engine reports. */
export async function collectProgress(steps: AsyncIterable<Progress>): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const step of steps) {
    throwReported(step);
    const text = step.stream ?? step.status ?? '';
    if (text !== '') texts.push(text.trimEnd());
  }
  return texts;
}

function throwReported(step: Progress): void {
  const message = step.errorDetail?.message ?? step.error;
  if (message !== undefined) throw new EngineError('internal', message);
}

/** One line for each message; the steps of a bar are left out. */
class Lines {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  async show(step: Progress): Promise<void> {
    if (step.stream !== undefined) {
      await this.#output.write(neutraliseText(step.stream));
      return;
    }
    const isBar = (step.progressDetail?.current ?? 0) > 0;
    if (step.status === undefined || step.status === '' || isBar) return;
    await this.#output.write(`${lineOf(step)}\n`);
  }
}

/** A line for each id, drawn where it was first. */
class Screen {
  readonly #output: Output;
  /** Place of each id's line, from the top. */
  readonly #rows = new Map<string, number>();

  constructor(output: Output) {
    this.#output = output;
  }

  async show(step: Progress): Promise<void> {
    if (step.stream !== undefined) {
      await this.#output.write(neutraliseText(step.stream));
      return;
    }
    if (step.status === undefined || step.status === '') return;
    const columns = this.#output.size?.columns ?? 80;
    const isPlain = step.id === undefined || step.id === '' || step.progressDetail === undefined;
    const text = cut(isPlain ? lineOf(step) : `${lineOf(step)}${barOf(step, columns)}`, columns);
    if (step.id === undefined || step.id === '' || step.progressDetail === undefined) {
      // What follows must not be drawn over.
      this.#rows.clear();
      await this.#output.write(`${text}\n`);
      return;
    }
    await this.#draw(step.id, text);
  }

  async #draw(id: string, text: string): Promise<void> {
    const row = this.#rows.get(id);
    if (row === undefined) {
      this.#rows.set(id, this.#rows.size);
      await this.#output.write(`${text}\n`);
      return;
    }
    const up = this.#rows.size - row;
    await this.#output.write(`\x1b[${String(up)}A\x1b[2K\r${text}\r\x1b[${String(up)}B`);
  }
}

function lineOf(step: Progress): string {
  const id = step.id === undefined || step.id === '' ? '' : `${neutraliseCell(step.id)}: `;
  return `${id}${neutraliseCell(step.status ?? '')}`;
}

/** Narrowest terminal that gets a bar. */
const barColumnsMin = 110;
const barWidth = 50;

/** ` [====>    ]  3.2MB/10MB`; empty when there is nothing to count. */
function barOf(step: Progress, columns: number): string {
  const { current = 0, total = 0 } = step.progressDetail ?? {};
  if (current <= 0 && total <= 0) return '';
  if (total <= 0) return ` ${formatSize(current)}`;
  const sizes = ` ${formatSize(Math.min(current, total)).padStart(7)}/${formatSize(total)}`;
  if (columns < barColumnsMin) return sizes;
  const filled = Math.min(barWidth, Math.trunc((current / total) * barWidth));
  const head = filled < barWidth ? '>' : '';
  return ` [${'='.repeat(filled)}${head}${' '.repeat(barWidth - filled - head.length)}] ${sizes}`;
}

/** No line may wrap, or the next would be drawn in the wrong place. */
function cut(text: string, columns: number): string {
  return text.length < columns ? text : text.slice(0, Math.max(1, columns - 1));
}

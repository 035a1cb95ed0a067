import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endsLine, type LogRecord, type StreamName } from './format.ts';
import { ChunkAssembler, LineAssembler, type LogEntry, TailFinder } from './lines.ts';

function record(
  stream: StreamName,
  text: string,
  options: { timeNs?: bigint; isContinued?: boolean; isNote?: boolean } = {},
): LogRecord {
  return {
    stream,
    timeNs: options.timeNs ?? 0n,
    payload: Buffer.from(text),
    isNote: options.isNote ?? false,
    isContinued: options.isContinued ?? false,
  };
}

function linesOf(records: readonly LogRecord[], dropsHeadless = false): readonly string[] {
  const assembler = new LineAssembler({ dropsHeadless });
  const lines: LogEntry[] = [];
  for (const each of records) assembler.push(each, lines);
  assembler.finish(lines);
  return lines.map((line) => `${line.stream}@${line.timeNs}:${Buffer.from(line.bytes).toString()}`);
}

test('LineAssembler joins the parts of a line and gives it the time of the first', () => {
  assert.deepEqual(
    linesOf([
      record('stdout', 'a\nb', { timeNs: 1n }),
      record('stderr', 'e\n', { timeNs: 2n }),
      record('stdout', 'c', { timeNs: 3n, isContinued: true }),
      record('stdout', 'd\ne', { timeNs: 4n, isContinued: true }),
    ]),
    ['stdout@1:a\n', 'stderr@2:e\n', 'stdout@1:bcd\n', 'stdout@4:e'],
  );
});

test('LineAssembler ends an unfinished line when a new run begins', () => {
  assert.deepEqual(linesOf([record('stdout', 'half'), record('stdout', 'new\n')]), [
    'stdout@0:half',
    'stdout@0:new\n',
  ]);
});

test('LineAssembler keeps notes apart from a line they interrupt', () => {
  assert.deepEqual(
    linesOf([
      record('stderr', 'one '),
      record('stderr', 'carve: note\n', { isNote: true }),
      record('stderr', 'line\n', { isContinued: true }),
    ]),
    ['stderr@0:carve: note\n', 'stderr@0:one line\n'],
  );
});

test('LineAssembler drops a line whose beginning was not read only when asked', () => {
  const records = [record('stdout', 'tail\nnext\n', { isContinued: true })];
  assert.deepEqual(linesOf(records, true), ['stdout@0:next\n']);
  assert.deepEqual(linesOf(records, false), ['stdout@0:tail\n', 'stdout@0:next\n']);
});

test('LineAssembler gives a line longer than 1 MiB in pieces', () => {
  const part = 'x'.repeat(60_000);
  const records = Array.from({ length: 40 }, (_, index) =>
    record('stdout', part, { isContinued: index > 0 }),
  );
  const lines = linesOf(records);
  assert.ok(lines.length > 1 && lines.every((line) => line.length < 1_200_000));
  assert.equal(lines.map((line) => line.slice('stdout@0:'.length)).join('').length, 40 * 60_000);
});

test('ChunkAssembler joins neighbours of one stream', () => {
  const assembler = new ChunkAssembler();
  const chunks: LogEntry[] = [];
  for (const each of [
    record('stdout', 'a'),
    record('stdout', 'b'),
    record('stderr', 'c'),
    record('stdout', 'd'),
  ])
    assembler.push(each, chunks);
  assembler.finish(chunks);
  assert.deepEqual(
    chunks.map((chunk) => Buffer.from(chunk.bytes).toString()),
    ['ab', 'c', 'd'],
  );
});

/** Records as a monitor writes them: each says whether it starts inside a line of its stream. */
const parts = fc.array(
  fc.record({
    stream: fc.constantFrom<StreamName>('stdout', 'stderr'),
    text: fc.stringMatching(/^[ab\n]{1,6}$/),
    isNewRun: fc.boolean(),
  }),
  { maxLength: 30 },
);
const recordsOf = (hasRuns: boolean): fc.Arbitrary<readonly LogRecord[]> =>
  parts.map((written) => {
    const isInside: Record<StreamName, boolean> = { stdout: false, stderr: false };
    return written.map((part) => {
      if (hasRuns && part.isNewRun) isInside.stdout = isInside.stderr = false;
      const made = record(part.stream, part.text, { isContinued: isInside[part.stream] });
      isInside[part.stream] = !endsLine(made.payload);
      return made;
    });
  });

/** The last `count` lines, as a reader finds them. */
function tailOf(all: readonly LogRecord[], count: number): readonly string[] {
  const finder = new TailFinder({ count, countsPartial: true });
  let first = all.length;
  while (first > 0 && !finder.isDone) {
    first -= 1;
    const each = all[first];
    if (each !== undefined) finder.visit(each, each.payload.filter((byte) => byte === 10).length);
  }
  return linesOf(all.slice(first)).slice(finder.surplus);
}

test('TailFinder finds the last lines of a run exactly', () => {
  fc.assert(
    fc.property(recordsOf(false), fc.integer({ min: 1, max: 12 }), (some, count) => {
      const ends = (['stdout', 'stderr'] as const)
        .filter((stream) => endsInsideLine(some, stream))
        .map((stream) => record(stream, '\n', { isContinued: true }));
      const all = [...some, ...ends];
      assert.deepEqual(tailOf(all, count), linesOf(all).slice(-count));
    }),
    { numRuns: 2000 },
  );
});

test('TailFinder counts unfinished lines too, of this run and earlier ones', () => {
  fc.assert(
    fc.property(recordsOf(true), fc.integer({ min: 1, max: 12 }), (all, count) => {
      assert.equal(tailOf(all, count).length, Math.min(count, linesOf(all).length));
    }),
    { numRuns: 2000 },
  );
});

function endsInsideLine(all: readonly LogRecord[], stream: StreamName): boolean {
  const last = all.findLast((each) => each.stream === stream);
  return last !== undefined && !endsLine(last.payload);
}

/** Logs on the real kernel: what the monitor wrote, read back whole, from the end, from a time, and as it comes. */

import assert from 'node:assert/strict';
import { open, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { attachMonitor } from '../../src/kernel/monitor.ts';
import type { LogEntry } from '../../src/runtime/log/lines.ts';
import type { LogQuery } from '../../src/runtime/log/query.ts';
import { readLogs } from '../../src/runtime/log/read.ts';
import {
  MonitorFixture,
  payloadOf,
  type ProcessPlace,
  readAll,
  readUntil,
} from './monitor-fixture.ts';

const KIB = 1024n;

async function read(
  place: ProcessPlace,
  query: Partial<LogQuery> = {},
): Promise<readonly LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readLogs(place, {
    stdout: true,
    stderr: true,
    follow: false,
    bulk: false,
    ...query,
  }))
    entries.push(entry);
  return entries;
}

function textOf(entries: readonly LogEntry[]): string {
  return Buffer.concat(entries.map((entry) => entry.bytes)).toString();
}

async function segmentsOf(place: ProcessPlace): Promise<readonly string[]> {
  return (await readdir(place.stateDir)).filter((name) => /^\d+\.log$/.test(name)).sort();
}

/** A process that counts to `lines` and is gone. */
async function logLines(
  fixture: MonitorFixture,
  lines: number,
  options: { logMaxBytes?: bigint; logMaxFiles?: number } = {},
): Promise<ProcessPlace> {
  const process = await fixture.start(
    [
      '/bin/busybox',
      'awk',
      `BEGIN { for (i = 1; i <= ${lines}; i++) printf "line %09d of the test\\n", i }`,
    ],
    options,
  );
  await process.exited;
  return process;
}

const lineText = (number: number): string =>
  `line ${String(number).padStart(9, '0')} of the test\n`;

test('lines come back in order, with ascending times and their streams', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf unfinished',
  );
  await process.exited;
  const entries = await read(process);
  const ofStream = (stream: string): string =>
    textOf(entries.filter((entry) => entry.stream === stream));
  assert.equal(ofStream('stdout'), 'out 1\nout 2\nout 3\nunfinished');
  assert.equal(ofStream('stderr'), 'err 1\nerr 2\nerr 3\n');
  for (const stream of ['stdout', 'stderr']) {
    const times = entries.filter((entry) => entry.stream === stream).map((entry) => entry.timeNs);
    times.forEach((timeNs, index) => assert.ok(timeNs >= (times[index - 1] ?? 0n)));
  }
  assert.equal(textOf(await read(process, { stderr: false })), 'out 1\nout 2\nout 3\nunfinished');
});

test('segments rotate at their size, and no more than asked for are kept', async () => {
  await using fixture = await MonitorFixture.create();
  const place = await logLines(fixture, 100_000, { logMaxBytes: 256n * KIB, logMaxFiles: 4 });
  const names = await segmentsOf(place);
  assert.equal(names.length, 4);
  for (const name of names) assert.ok((await stat(join(place.stateDir, name))).size <= 256 * 1024);
  const entries = await read(place);
  assert.ok(entries.length < 100_000 && entries.length > 20_000);
  const text = textOf(entries);
  assert.ok(text.endsWith(lineText(99_999) + lineText(100_000)));
  assert.match(text, /^[^\n]*\n(line \d{9} of the test\n)+$/);
});

test('the tail is exact for every count, across segments', async () => {
  await using fixture = await MonitorFixture.create();
  const place = await logLines(fixture, 30_000, { logMaxBytes: 256n * KIB, logMaxFiles: 10 });
  assert.ok((await segmentsOf(place)).length >= 4);
  for (const tail of [0, 1, 2, 100, 5_000, 17_345, 29_999, 30_000, 40_000]) {
    const entries = await read(place, { tail });
    assert.equal(entries.length, Math.min(tail, 30_000), `tail ${tail}`);
    if (tail > 0)
      assert.equal(
        Buffer.from(entries[0]?.bytes ?? []).toString(),
        lineText(30_000 - entries.length + 1),
      );
  }
});

test('a tail of one stream looks behind the other', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('echo first >&2; echo second >&2; seq 1 50000');
  await process.exited;
  assert.equal(textOf(await read(process, { stdout: false, tail: 1 })), 'second\n');
  assert.equal(textOf(await read(process, { tail: 2 })), '49999\n50000\n');
});

test('since and until bound by time, with the line that starts inside', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'i=0; while [ $i -lt 400 ]; do echo "$i $(head -c 3000 /dev/zero | tr "\\0" x)"; i=$((i+1)); done',
    { logMaxBytes: 512n * KIB, logMaxFiles: 9 },
  );
  await process.exited;
  const all = await read(process);
  assert.equal(all.length, 400);
  for (const [from, to] of [
    [0, 399],
    [1, 398],
    [57, 58],
    [200, 333],
    [399, 399],
  ] as const) {
    const sinceNs = all[from]?.timeNs ?? 0n;
    const untilNs = all[to]?.timeNs ?? 0n;
    const expected = all.filter((entry) => entry.timeNs >= sinceNs && entry.timeNs <= untilNs);
    assert.equal(
      textOf(await read(process, { sinceNs, untilNs })),
      textOf(expected),
      `${from}..${to}`,
    );
  }
  assert.deepEqual(await read(process, { sinceNs: (all.at(-1)?.timeNs ?? 0n) + 1n }), []);
  assert.deepEqual(await read(process, { untilNs: (all[0]?.timeNs ?? 0n) - 1n }), []);
});

test('bulk reading gives every byte', async () => {
  await using fixture = await MonitorFixture.create();
  const place = await logLines(fixture, 200_000, { logMaxBytes: 1024n * KIB, logMaxFiles: 40 });
  const entries = await read(place, { bulk: true });
  assert.ok(entries.length < 2_000);
  const text = textOf(entries);
  assert.ok(text.startsWith(lineText(1)) && text.endsWith(lineText(200_000)));
  assert.equal(text.length, 200_000 * lineText(1).length);
});

test('following gets every line across rotation, at once, and ends with the process', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'while read n; do awk "BEGIN { for (i = 1; i <= $n; i++) printf \\"%09d\\\\n\\", i }"; done',
    { openStdin: true, stdinOnce: true, logMaxBytes: 256n * KIB, logMaxFiles: 6 },
  );
  const input = await fixture.keep(attachMonitor(process.runDir, { stdin: true }));
  const lines = readLogs(process, { stdout: true, stderr: true, follow: true, bulk: false });
  for (const count of [1, 10, 30_000, 1, 30_000, 5]) {
    const startedAtMs = performance.now();
    input.write(`${count}\n`);
    for (let i = 1; i <= count; i++) {
      const { value } = await lines.next();
      assert.equal(value?.bytes.toString(), `${String(i).padStart(9, '0')}\n`);
    }
    if (count === 1) assert.ok(performance.now() - startedAtMs < 3000);
  }
  const end = lines.next();
  input.end();
  assert.equal((await end).done, true);
  assert.ok((await segmentsOf(process)).length > 1);
});

test('following the tail gives the last lines and then what comes', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start(
    'seq 1 1000; read x; echo more; printf part; read x; echo " whole"',
    { openStdin: true, expectedClients: 1 },
  );
  const stream = await fixture.keep(attachMonitor(process.runDir, { stdin: true, stdout: true }));
  await readUntil(stream, '1000\n');
  const lines = readLogs(process, {
    stdout: true,
    stderr: true,
    follow: true,
    bulk: false,
    tail: 2,
  });
  const next = async (): Promise<string> => String((await lines.next()).value?.bytes);
  assert.equal(await next(), '999\n');
  assert.equal(await next(), '1000\n');
  stream.write('\n');
  assert.equal(await next(), 'more\n');
  stream.write('\n');
  assert.equal(await next(), 'part whole\n');
  assert.equal((await lines.next()).done, true);
});

test('following is cancelled by its signal and leaves no connection', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('echo one; exec sleep 600');
  const abort = new AbortController();
  const lines = readLogs(process, {
    stdout: true,
    stderr: true,
    follow: true,
    bulk: false,
    signal: abort.signal,
  });
  assert.equal(String((await lines.next()).value?.bytes), 'one\n');
  const next = lines.next();
  abort.abort();
  await assert.rejects(next, (error) => isEngineError(error) && error.kind === 'cancelled');
});

test('following ends at its time bound', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('echo one; exec sleep 600', { expectedClients: 1 });
  const streams = { stdout: true, replay: true };
  const output = await fixture.keep(attachMonitor(process.runDir, streams));
  await readUntil(output, 'one\n');
  const untilNs = BigInt(Date.now() + 100) * 1_000_000n;
  assert.equal(textOf(await read(process, { follow: true, untilNs })), 'one\n');
});

test('a torn last record is not read, and the next run starts a new segment', async () => {
  await using fixture = await MonitorFixture.create();
  const first = await fixture.start('echo whole; sleep 0.05; echo torn');
  await first.exited;
  const segment = join(first.stateDir, '00000001.log');
  await truncate(segment, (await stat(segment)).size - 3);
  assert.equal(textOf(await read(first)), 'whole\n');
  assert.equal(textOf(await read(first, { tail: 1 })), 'whole\n');
  const second = await fixture.start('echo next', {
    place: { runDir: first.runDir, stateDir: first.stateDir },
  });
  await second.exited;
  assert.deepEqual(await segmentsOf(first), ['00000001.log', '00000002.log']);
  assert.equal(textOf(await read(first)), 'whole\nnext\n');
  assert.equal(textOf(await read(first, { tail: 2 })), 'whole\nnext\n');
});

test('a forged record at a torn end does not fool the next run', async () => {
  await using fixture = await MonitorFixture.create();
  const first = await fixture.start('echo whole');
  await first.exited;
  const segment = join(first.stateDir, '00000001.log');
  const bytes = await readFile(segment);
  const record = bytes.subarray(4096);
  const torn = Buffer.concat([
    bytes,
    Buffer.from([200, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]),
    record,
  ]);
  await writeFile(segment, torn);
  const second = await fixture.start('echo next', {
    place: { runDir: first.runDir, stateDir: first.stateDir },
  });
  await second.exited;
  assert.deepEqual(await segmentsOf(first), ['00000001.log', '00000002.log']);
  assert.equal(textOf(await read(first)), 'whole\nnext\n');
});

test('damage in the middle costs what lies up to the next index entry, not the rest', async () => {
  await using fixture = await MonitorFixture.create();
  const place = await logLines(fixture, 100_000);
  const file = await open(join(place.stateDir, '00000001.log'), 'r+');
  await file.write(Buffer.alloc(16, 0xff), 0, 16, 4096);
  await file.close();
  const text = textOf(await read(place));
  assert.ok(text.endsWith(lineText(100_000)) && text.length > 2_000_000);
});

test('the unfinished line of a run is not joined with the next run', async () => {
  await using fixture = await MonitorFixture.create();
  const first = await fixture.start('printf "no newline"');
  await first.exited;
  const second = await fixture.start('echo next', {
    place: { runDir: first.runDir, stateDir: first.stateDir },
  });
  await second.exited;
  assert.deepEqual(
    (await read(first)).map((entry) => String(entry.bytes)),
    ['no newline', 'next\n'],
  );
  assert.deepEqual(
    (await read(first, { tail: 2 })).map((entry) => String(entry.bytes)),
    ['no newline', 'next\n'],
  );
  assert.deepEqual(await segmentsOf(first), ['00000001.log']);
});

test('without a log the client gets all, and no file stays', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('seq 1 500000; echo end', { logKind: 0, expectedClients: 1 });
  const bytes = payloadOf(
    await readAll(
      await fixture.keep(attachMonitor(process.runDir, { stdout: true, lossless: true })),
    ),
    1,
  );
  assert.ok(bytes.toString().startsWith('1\n2\n') && bytes.toString().endsWith('500000\nend\n'));
  await process.exited;
  assert.deepEqual(await segmentsOf(process), []);
  const quiet = await fixture.start('seq 1 500000', { logKind: 0 });
  assert.equal((await quiet.exited).code, 0);
  assert.deepEqual(await segmentsOf(quiet), []);
});

test('the json-file layout has one record per line, split at 16 KiB, with every byte escaped', async () => {
  await using fixture = await MonitorFixture.create();
  const script = String.raw`printf 'plain\n"quoted" \\ \t \001 <&> \303\251 \342\200\250 \377\n'; head -c 40000 /dev/zero | tr '\0' x; echo; echo err >&2; printf last`;
  const process = await fixture.start(script, { logKind: 2 });
  await process.exited;
  const text = await readFile(join(process.stateDir, 'json.log'), 'utf8');
  const records = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
  const out = records.filter((record) => record.stream === 'stdout').map((record) => record.log);
  assert.deepEqual(out.slice(0, 2), ['plain\n', '"quoted" \\ \t \u0001 <&> é \u2028 \ufffd\n']);
  assert.deepEqual(
    out.slice(2, 5).map((log) => log.length),
    [16384, 16384, 7233],
  );
  assert.equal(out[5], 'last');
  assert.deepEqual(
    records.filter((record) => record.stream === 'stderr').map((record) => record.log),
    ['err\n'],
  );
  assert.match(
    text,
    /\{"log":"\\"quoted\\" \\\\ \\u0009 \\u0001 \\u003c\\u0026\\u003e é \\u2028 \\ufffd\\n","stream":"stdout","time":"/,
  );
  for (const { time } of records) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  }
});

test('json.log rotates by renaming, within its bounds', async () => {
  await using fixture = await MonitorFixture.create();
  const process = await fixture.start('seq 1 100000', {
    logKind: 2,
    logMaxBytes: 300n * KIB,
    logMaxFiles: 3,
  });
  await process.exited;
  const names = (await readdir(process.stateDir))
    .filter((name) => name.startsWith('json.log'))
    .sort();
  assert.deepEqual(names, ['json.log', 'json.log.1', 'json.log.2']);
  const lines: string[] = [];
  for (const name of names.toReversed()) {
    const text = await readFile(join(process.stateDir, name), 'utf8');
    assert.ok(text.length <= 300 * 1024);
    lines.push(
      ...text
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { log: string }).log),
    );
  }
  assert.equal(lines.at(-1), '100000\n');
  lines.forEach((line, index) => assert.equal(line, `${100_000 - lines.length + 1 + index}\n`));
});

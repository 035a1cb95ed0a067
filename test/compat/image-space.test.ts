/** The room images take: the tree, removals by docker's rules, prunes, and the collection by policy. Needs root. */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isEngineError } from '../../src/base/error.ts';
import type { Log } from '../../src/base/log.ts';
import type { Engine, Progress } from '../../src/engine/engine.ts';
import { parseGcPolicy } from '../../src/images/gc/policy.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import type { GcReport, ImageTree, TreeImage } from '../../src/spec/image-tree.ts';
import { createEngine } from '../../src/wiring.ts';
import { RegistryFixture } from './registry-fixture.ts';
import { dockerPath, type Outcome, run, runtimes, Target } from './target.ts';

const CHISEL = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');
const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));

async function drain(progress: AsyncIterable<Progress>): Promise<void> {
  for await (const _ of progress);
}

/** An image of one layer with `sizeBytes` of its own. */
async function importImage(engine: Engine, reference: string, sizeBytes = 1000): Promise<string> {
  const content = Buffer.alloc(sizeBytes, reference);
  const tar = encodeTar([{ type: 'file', path: 'file', content }]);
  await drain(
    engine.images.import(Readable.from(tar, { objectMode: false }), { reference, changes: [] }),
  );
  return (await engine.images.inspect(reference)).Id;
}

interface Opened {
  readonly engine: Engine;
  readonly root: string;
  readonly lines: string[];
}

async function open(t: TestContext, policy: object): Promise<Opened> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-space-'));
  const root = join(directory, 'root');
  const lines: string[] = [];
  const quiet = (): void => undefined;
  const log: Log = {
    debug: quiet,
    warn: quiet,
    error: quiet,
    info: (message, facts = {}) => void lines.push(`${message} ${JSON.stringify(facts)}`),
  };
  const engine = await createEngine({
    root,
    run: join(directory, 'run'),
    chisel: { kind: 'file', path: CHISEL },
    gc: parseGcPolicy(JSON.stringify(policy)),
    log,
  });
  t.after(async () => {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { engine, root, lines };
}

/** Reference and reason of what a report removed, or would. */
function gone({ Removed }: GcReport): readonly string[] {
  return Removed.map(({ Names, Reason }) => `${Names.join(' ')}: ${Reason}`);
}

test('what system df counts is what lies there, blobs beside unpacked layers, and what a prune gives back', async (t) => {
  const { engine } = await open(t, { remove: {} });
  await importImage(engine, 'one:1', 100_000);
  await importImage(engine, 'two:1', 50_000);
  const { LayersBytes, ContentBytes } = await engine.images.tree();
  assert.ok(ContentBytes > 0);
  const full = await engine.system.diskUsage();
  assert.equal(full.LayersSize, LayersBytes + ContentBytes);
  assert.deepEqual(
    full.Images.map(({ SharedSize }) => SharedSize),
    [0, 0],
  );
  const sizes = full.Images.reduce((sum, { Size }) => sum + Size, 0);
  assert.equal(sizes, full.LayersSize);
  const { spaceReclaimedBytes } = await engine.images.prune({ dangling: ['false'] });
  const empty = await engine.system.diskUsage();
  assert.deepEqual(empty.Images, []);
  assert.equal(full.LayersSize - empty.LayersSize, spaceReclaimedBytes);
});

describe('the room of images', () => {
  let target: Target;
  before(async () => {
    target = await Target.start('bun', 'serve-whole.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
  });

  const carve = (args: readonly string[], input?: string): Promise<Outcome> =>
    run([runtimes.bun, entry, ...args], {
      env: { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: target.directory },
      ...(input === undefined ? {} : { input }),
    });
  const docker = (args: readonly string[]): Promise<Outcome> =>
    run([dockerPath(), ...args], { env: target.env });

  async function output(work: Promise<Outcome>): Promise<string> {
    const outcome = await work;
    assert.equal(outcome.code, 0, JSON.stringify(outcome));
    return outcome.stdout;
  }

  async function refused(work: Promise<Outcome>, sentence: RegExp): Promise<void> {
    const { code, stderr } = await work;
    assert.notEqual(code, 0, stderr);
    assert.match(stderr, sentence);
  }

  /** An image on top of another one, by a container and a commit. */
  async function commitOn(base: string, reference: string): Promise<void> {
    const words = ['run', '--network', 'none', '--name', 'maker', base];
    await output(carve([...words, 'sh', '-c', `echo ${reference} > /tmp/made`]));
    await output(carve(['commit', 'maker', reference]));
    await output(carve(['rm', 'maker']));
  }

  const readTree = async (): Promise<ImageTree> =>
    JSON.parse(await output(carve(['images', '--tree', '--format', 'json']))) as ImageTree;

  test('the tree shows shared layers once and what each image would free', async () => {
    await commitOn('busybox', 'app:1');
    await output(carve(['tag', 'app:1', 'app:latest']));
    await commitOn('busybox', 'app:2');
    const tree = await readTree();
    const of = (name: string): TreeImage =>
      tree.Images.find(({ Names }) => Names.includes(name)) ?? assert.fail(name);
    const [base, one, two] = [of('busybox:latest'), of('app:1'), of('app:2')];
    assert.deepEqual([one.Layers[0], two.Layers[0]], [base.Layers[0], base.Layers[0]]);
    const shared = tree.Layers.find(({ ChainID }) => ChainID === base.Layers[0]);
    assert.equal(shared?.Images.length, 3);
    // Children share all that the base has: alone it frees its documents.
    assert.ok(base.FreesBytes < 10_000, String(base.FreesBytes));
    assert.ok(one.UniqueBytes > 0 && one.UniqueBytes < one.SizeBytes);
    const printed = await output(carve(['image', 'ls', '--tree']));
    const text = Buffer.from(printed, 'latin1').toString('utf8');
    assert.match(text, /^LAYER +SIZE +STORED +FREES +USED BY +PLATFORM$/m);
    assert.match(text, /^├─ busybox:latest /m);
    assert.match(text, /^└─ [0-9a-f]{12} .* 1 image +$/m);
    assert.match(text, /^[│ ] {2}└─ app:1, app:latest /m);
    assert.match(text, /unpacked, .* stored\n$/);
    // What the tree promised is what the removal gives back.
    await output(carve(['rmi', 'app:2']));
    const after_ = await readTree();
    assert.equal(
      tree.LayersBytes + tree.ContentBytes - after_.LayersBytes - after_.ContentBytes,
      two.FreesBytes,
    );
    await refused(carve(['images', '--tree', '-q']), /--tree shows every image/);
  });

  test('removals follow docker’s rules of names, users, children and force', async () => {
    await output(carve(['tag', 'app:1', 'other:1']));
    const id = (await output(carve(['images', '-q', '--no-trunc', 'app:1']))).trim();
    await refused(
      carve(['rmi', id]),
      /unable to delete [0-9a-f]{12} \(must be forced\) - image is referenced in multiple repositories/,
    );
    assert.equal(await output(carve(['rmi', 'other:1'])), 'Untagged: other:1\n');
    await output(carve(['create', '--name', 'stopped', '--network', 'none', 'app:1', 'true']));
    assert.equal(await output(carve(['rmi', 'app:latest'])), 'Untagged: app:latest\n');
    await refused(
      docker(['rmi', 'app:1']),
      /conflict: unable to remove repository reference "app:1" \(must force\) - container [0-9a-f]{12} is using its referenced image [0-9a-f]{12}/,
    );
    await refused(
      docker(['rmi', id.slice(7)]),
      /\(must be forced\) - image is being used by stopped container/,
    );
    await refused(carve(['rmi', 'busybox:nope']), /No such image: busybox:nope/);
    assert.equal((await carve(['rmi', '-f', 'busybox:nope'])).code, 0);
    const forced = await output(carve(['rmi', '-f', id]));
    assert.match(forced, /^Untagged: app:1\nDeleted: sha256:/);
    // The container stands on the layers: they stay until it goes.
    assert.equal((await output(carve(['start', '-a', 'stopped']))).trim(), '');
    const held = await readTree();
    assert.ok(held.Layers.some(({ Images }) => Images.length === 0));
    await output(carve(['rm', 'stopped']));
    // The removal answers before the layers are gone; a prune finds what is left of them.
    await output(carve(['image', 'prune', '-f']));
    assert.ok((await readTree()).Layers.every(({ Images }) => Images.length > 0));
    await output(
      carve(['run', '-d', '--name', 'running', '--network', 'none', 'busybox', 'sleep', '1000']),
    );
    const base = (await output(carve(['images', '-q', '--no-trunc', 'busybox']))).trim();
    await refused(
      docker(['rmi', '-f', base]),
      /cannot be forced\) - image is being used by running container/,
    );
    await output(carve(['rm', '-f', 'running']));
  });

  test('untagged parents go along unless they are kept', async () => {
    await commitOn('busybox', 'middle');
    await commitOn('middle', 'top');
    const middle = (await output(carve(['images', '-q', '--no-trunc', 'middle']))).trim();
    await refused(carve(['rmi', middle]), /cannot be forced\) - image has dependent child images/);
    assert.equal(await output(carve(['rmi', 'middle'])), 'Untagged: middle:latest\n');
    const listed = await output(docker(['images', '-q', '--no-trunc']));
    assert.ok(!listed.includes(middle), 'an untagged parent is hidden');
    assert.ok((await output(docker(['images', '-aq', '--no-trunc']))).includes(middle));
    const kept = await output(carve(['rmi', '--no-prune', 'top']));
    assert.equal(kept.match(/^Deleted: sha256:/gm)?.length, 2, kept);
    assert.ok((await output(docker(['images', '-q', '--no-trunc']))).includes(middle));
    const pruned = await output(docker(['image', 'prune', '-f']));
    assert.match(pruned, new RegExp(`deleted: ${middle}`));
    await commitOn('busybox', 'middle');
    await commitOn('middle', 'top');
    await output(carve(['rmi', 'middle']));
    const all = await output(carve(['rmi', 'top']));
    assert.equal(all.match(/^Deleted: sha256:/gm)?.length, 4, all);
  });

  test('prunes take what their filters say, and never what a container uses', async () => {
    for (const name of ['kept:1', 'gone:1']) {
      const label = `LABEL kind=${name.slice(0, 4)}`;
      const tar = encodeTar([{ type: 'file', path: name }]).toString('latin1');
      await output(carve(['import', '-c', label, '-', name], tar));
    }
    await output(carve(['create', '--name', 'user', '--network', 'none', 'busybox', 'true']));
    const names = async (): Promise<readonly string[]> =>
      (await output(carve(['images', '--format', '{{.Repository}}'])))
        .split('\n')
        .filter((name) => name !== '')
        .toSorted();
    await output(docker(['image', 'prune', '-f']));
    assert.deepEqual(await names(), ['busybox', 'gone', 'kept']);
    await output(docker(['image', 'prune', '-af', '--filter', 'until=24h']));
    assert.deepEqual(await names(), ['busybox', 'gone', 'kept']);
    await output(docker(['image', 'prune', '-af', '--filter', 'label!=kind=kept']));
    assert.deepEqual(await names(), ['busybox', 'kept']);
    const usage = await output(
      docker(['system', 'df', '--format', '{{.Type}} {{.TotalCount}} {{.Active}}']),
    );
    assert.match(usage, /^Images 2 1$/m);
    const all = await output(docker(['image', 'prune', '-af']));
    assert.match(all, /untagged: kept:1\ndeleted: sha256:/);
    assert.deepEqual(await names(), ['busybox']);
    await output(carve(['rm', 'user']));
  });

  test('without a policy a collection removes no image and says so', async () => {
    const report = JSON.parse(
      await output(carve(['system', 'gc', '--format', 'json'])),
    ) as GcReport;
    assert.deepEqual([report.Removed, report.Kept], [[], []]);
    assert.match(await output(carve(['system', 'gc', '--plan'])), /^This would free 0B$/m);
  });
});

test('a collection plans, removes by its rules, tells why, and leaves nothing of what it removed', async (t) => {
  const { engine, root, lines } = await open(t, {
    remove: { unusedAfter: '0s' },
    keep: { names: ['base:*'], labels: ['keep'], usedWithin: '0s' },
  });
  await importImage(engine, 'base:1');
  const goneId = await importImage(engine, 'old:1', 5000);
  await importImage(engine, 'used:1');
  const { id } = await engine.containers.create({
    name: 'user',
    config: { Image: 'used:1', Cmd: ['x'] },
    hostConfig: { NetworkMode: 'none' },
    endpoints: {},
  });
  const plan = await engine.images.collect({ isPlan: true });
  assert.deepEqual(gone(plan), ['old:1: it was not used for 0d']);
  assert.deepEqual(plan.Kept.map(({ Names, Reason }) => `${Names.join()}: ${Reason}`).toSorted(), [
    'base:1: its name fits base:*',
    'used:1: 1 container uses it',
  ]);
  assert.equal((await engine.images.inspect('old:1')).Id, goneId, 'a plan removes nothing');
  const stop = new AbortController();
  const events = engine.system.events({ filters: { type: ['image'] }, signal: stop.signal });
  const seen = (async (): Promise<readonly string[]> => {
    const actions: string[] = [];
    for await (const { Action } of events) {
      actions.push(Action);
      if (Action === 'delete') return actions;
    }
    return actions;
  })();
  const report = await engine.images.collect({ isPlan: false });
  assert.deepEqual(gone(report), gone(plan));
  assert.equal(report.ReclaimedBytes, plan.ReclaimedBytes);
  assert.deepEqual(await seen, ['untag', 'delete']);
  stop.abort();
  assert.ok(
    lines.some((line) => /removed an image .*"names":\["old:1"\].*not used for 0d/.test(line)),
    lines.join('\n'),
  );
  await assert.rejects(engine.images.inspect('old:1'), (error) => isEngineError(error));
  const { Layers } = await engine.images.tree();
  assert.equal(Layers.length, 2);
  assert.equal(readdirSync(join(root, 'blobs/sha256')).length, 6, 'two images of three blobs');
  await engine.containers.remove(id);
  assert.deepEqual(gone(await engine.images.collect({ isPlan: false })), [
    'used:1: it was not used for 0d',
  ]);
});

test('collections come by themselves, while images are loaded, committed and started', async (t) => {
  const { engine } = await open(t, {
    every: '1s',
    remove: { unusedAfter: '0s' },
    keep: { names: ['keep:*'], usedWithin: '0s' },
  });
  await importImage(engine, 'keep:1', 100_000);
  const chunks: Buffer[] = [];
  for await (const chunk of await engine.images.save(['keep:1'])) chunks.push(chunk as Buffer);
  const archive = Buffer.concat(chunks);
  await importImage(engine, 'drop:1');
  // Events of the timer's own collection: nobody asked for it.
  const stop = new AbortController();
  const dropped = (async (): Promise<void> => {
    const filters = { type: ['image'], event: ['delete'] };
    for await (const _ of engine.system.events({ filters, signal: stop.signal })) return;
  })();
  const work = async (number: number): Promise<void> => {
    for (let round = 0; round < 3; round++) {
      await drain(engine.images.load(Readable.from(archive, { objectMode: false })));
      const { id } = await engine.containers.create({
        name: `c${number}-${round}`,
        config: { Image: 'keep:1', Cmd: ['x'] },
        hostConfig: { NetworkMode: 'none' },
        endpoints: {},
      });
      const made = await engine.images.commit(id, {
        reference: `keep:${number}-${round}`,
        pause: false,
        changes: [],
      });
      await engine.images.collect({ isPlan: false });
      assert.equal((await engine.images.inspect(made.id)).Id, made.id);
      await engine.containers.remove(id);
    }
  };
  await Promise.all([work(1), work(2), work(3), dropped]);
  stop.abort();
  // Whole to the last byte: every blob is read and verified on its way out.
  const listed = await engine.images.list({
    all: true,
    filters: {},
    digests: false,
    sharedSize: false,
  });
  assert.equal(listed.flatMap(({ RepoTags }) => RepoTags).length, 10);
  for await (const _ of await engine.images.save(listed.flatMap(({ RepoTags }) => RepoTags)));
});

test('pulls beside collections are whole, or fail in one sentence and leave nothing', async (t) => {
  const registry = await RegistryFixture.start('plain');
  t.after(async () => registry.stop());
  const { engine, root } = await open(t, {
    remove: { unusedAfter: '0s' },
    keep: { usedWithin: '0s' },
  });
  const names = [1, 2, 3].map((number) => `${registry.host}/app:${number}`);
  for (const name of names) {
    await importImage(engine, name, 200_000);
    await drain(engine.images.push(name, {}));
  }
  const pulled = new AbortController();
  const collector = (async (): Promise<void> => {
    while (!pulled.signal.aborted) {
      await engine.images.collect({ isPlan: false });
      await engine.images.prune({ dangling: ['false'] }).catch((error: unknown) => {
        // Two of them may meet.
        assert.ok(isEngineError(error) && error.kind === 'conflict', String(error));
      });
    }
  })();
  const puller = async (name: string): Promise<void> => {
    for (let round = 0; round < 8; round++) {
      await drain(engine.images.pull(name, {}));
      try {
        for await (const _ of await engine.images.save([name]));
      } catch (error) {
        // Gone before it was looked up: fine. Damaged or half there: not.
        assert.ok(isEngineError(error) && error.kind === 'not-found', String(error));
        assert.match(error.message, /^No such image/);
      }
    }
  };
  await Promise.all(names.map(puller));
  pulled.abort();
  await collector;
  await engine.images.prune({ dangling: ['false'] });
  const { Images, Layers } = await engine.images.tree();
  assert.deepEqual([Images, Layers], [[], []]);
  assert.deepEqual(readdirSync(join(root, 'blobs/sha256')), []);
});

test('two prunes at once: the second is told that one is running', async (t) => {
  const { engine } = await open(t, {});
  for (let index = 0; index < 5; index++) await importImage(engine, `many:${index}`);
  const results = await Promise.allSettled(
    [1, 2].map(async () => engine.images.prune({ dangling: ['false'] })),
  );
  const [first, second] = results;
  assert.equal(first?.status, 'fulfilled');
  assert.ok(second?.status === 'rejected' && isEngineError(second.reason));
  assert.equal(second.reason.message, 'a prune operation is already running');
});

/** `carve manifest` beside `docker manifest`: same words, same local lists, same bytes in the registry. Needs root. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { RegistryFixture } from './registry-fixture.ts';
import { dockerPath, type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));

interface Index {
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly mediaType: string;
    readonly digest: string;
    readonly platform: Readonly<Record<string, unknown>>;
  }[];
}

describe('manifest', () => {
  let target: Target;
  let registry: RegistryFixture;
  let host: string;
  before(async () => {
    registry = await RegistryFixture.start('plain');
    host = registry.host;
    target = await Target.start('bun', 'serve-whole.ts');
    for (const [name, platform] of [
      ['oci:amd64', 'linux/amd64'],
      ['oci:arm', 'linux/arm/v7'],
      ['other:s390x', 'linux/s390x'],
    ] as const) {
      const tar = encodeTar([{ type: 'file', path: 'for', content: Buffer.from(platform) }]);
      const image = `${host}/${name}`;
      await output(carve(['import', '--platform', platform, '-', image], tar.toString('latin1')));
      await output(carve(['push', '-q', image]));
    }
    for (const tag of ['amd64', 'arm']) {
      const copy = [
        'copy',
        '-q',
        '--format',
        'v2s2',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
      ];
      execFileSync('skopeo', [
        ...copy,
        `docker://${host}/oci:${tag}`,
        `docker://${host}/v2:${tag}`,
      ]);
    }
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
    await registry.stop();
  });

  /** carve and docker, each with lists of its own unless told otherwise. */
  const configOf = (whose: string): string => join(target.directory, `config-${whose}`);
  const carve = (args: readonly string[], input?: string, whose = 'carve'): Promise<Outcome> =>
    run([runtimes.bun, entry, ...args], {
      env: { CARVE_HOST: `unix://${target.socket}`, DOCKER_CONFIG: configOf(whose) },
      ...(input === undefined ? {} : { input }),
    });
  const docker = (args: readonly string[], whose = 'docker'): Promise<Outcome> =>
    run([dockerPath(), ...args], { env: { ...target.env, DOCKER_CONFIG: configOf(whose) } });

  async function output(work: Promise<Outcome>): Promise<string> {
    const outcome = await work;
    assert.equal(outcome.code, 0, JSON.stringify(outcome));
    return outcome.stdout;
  }

  /** Both programs do and say the same. Docker takes plain HTTP only when told to. */
  async function same(verb: string, ...args: string[]): Promise<Outcome> {
    const flags = ['create', 'inspect', 'push'].includes(verb) ? ['--insecure'] : [];
    const words = ['manifest', verb, ...flags, ...args];
    const [mine, theirs] = [await carve(words), await docker(words)];
    assert.deepEqual(mine, theirs, `manifest ${verb} ${args.join(' ')}`);
    return mine;
  }

  function raw(reference: string): string {
    return execFileSync(
      'skopeo',
      ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`],
      {
        encoding: 'utf8',
      },
    );
  }

  test('every verb says and writes what docker does', async () => {
    const list = `${host}/list:1`;
    await same('inspect', `${host}/v2:amd64`);
    await same('inspect', '-v', `${host}/oci:arm`);
    await same('inspect', `${host}/none:1`);
    await same('push', list);
    await same('rm', list);
    await same('create', list, `${host}/none:1`);
    await same('create', list, `${host}/v2:amd64`, `${host}/v2:arm`);
    await same('create', list, `${host}/other:s390x`);
    await same('create', '--amend', list, `${host}/other:s390x`);
    await same('inspect', list);
    await same('inspect', '-v', list);
    await same('inspect', list, `${host}/v2:arm`);
    await same('inspect', list, `${host}/v2:none`);
    const platform = ['--arch', 'arm', '--variant', 'v6', '--os-version', '1.0'];
    await same('annotate', ...platform, '--os-features', 'a,b', list, `${host}/v2:arm`);
    await same('annotate', '--os-features', 'b', '--os-features', 'c', list, `${host}/v2:arm`);
    await same('annotate', '--arch', 'pdp11', list, `${host}/v2:arm`);
    await same('annotate', '--os', 'linux', list, `${host}/none:1`);
    await same('inspect', '-v', list);
    const listed = (whose: string): readonly string[] =>
      readdirSync(join(configOf(whose), 'manifests'), {
        recursive: true,
        encoding: 'utf8',
      }).toSorted((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(listed('carve'), listed('docker'));
    const name = listed('docker').find((path) => path.endsWith('v2-arm')) ?? '';
    const file = (whose: string): string =>
      readFileSync(join(configOf(whose), 'manifests', name), 'utf8');
    assert.equal(file('carve'), file('docker'));
    const pushed = await same('push', '--purge', list);
    const [digest = ''] = pushed.stdout.trim().split('\n').slice(-1);
    const input = raw(list);
    assert.equal(
      execFileSync('skopeo', ['manifest-digest', '/dev/stdin'], { input, encoding: 'utf8' }).trim(),
      digest,
    );
    await same('push', list);
    await same('inspect', list);
    await same('inspect', '-v', list);
    await same('create', `${host}/nested:1`, list);
    await same('rm', list, `${host}/never:1`);
  });

  test('a list of OCI images becomes an OCI index, whose manifests are mounted and pulled', async () => {
    const list = `${host}/index:1`;
    await same('create', list, `${host}/oci:amd64`, `${host}/oci:arm`, `${host}/other:s390x`);
    await same('push', list);
    const index = JSON.parse(raw(list)) as Index;
    assert.equal(index.mediaType, 'application/vnd.oci.image.index.v1+json');
    assert.deepEqual(
      index.manifests.map(({ platform }) => platform),
      [
        { architecture: 'amd64', os: 'linux' },
        { architecture: 'arm', os: 'linux', variant: 'v7' },
        { architecture: 's390x', os: 'linux' },
      ],
    );
    const copied = join(target.directory, 'copied');
    mkdirSync(copied);
    const copy = ['copy', '-q', '--all', '--preserve-digests', '--src-tls-verify=false'];
    execFileSync('skopeo', [...copy, `docker://${list}`, `dir:${copied}`]);
    for (const { digest } of index.manifests)
      assert.ok(readFileSync(join(copied, `${digest.slice(7)}.manifest.json`)).length > 0);
    await output(carve(['pull', '-q', '--platform', 'linux/s390x', list]));
    const format = ['-f', '{{.Architecture}}'];
    assert.equal(await output(carve(['image', 'inspect', ...format, list])), 's390x\n');
    await output(carve(['rmi', list]));
    await same('rm', list);
  });

  test('a list that one program began the other goes on with', async () => {
    const [one, two] = [`${host}/shared:1`, `${host}/shared:2`];
    await output(docker(['manifest', 'create', '--insecure', one, `${host}/v2:amd64`], 'shared'));
    await output(
      carve(['manifest', 'create', '--amend', one, `${host}/v2:arm`], undefined, 'shared'),
    );
    await output(carve(['manifest', 'create', two, `${host}/oci:arm`], undefined, 'shared'));
    await output(
      docker(['manifest', 'annotate', two, `${host}/oci:arm`, '--variant', 'v5'], 'shared'),
    );
    await output(carve(['manifest', 'push', '-p', one], undefined, 'shared'));
    await output(docker(['manifest', 'push', '--insecure', '-p', two], 'shared'));
    assert.equal((JSON.parse(raw(one)) as Index).manifests.length, 2);
    assert.deepEqual((JSON.parse(raw(two)) as Index).manifests[0]?.platform, {
      architecture: 'arm',
      os: 'linux',
      variant: 'v5',
    });
  });

  test('bad input is refused in one sentence and leaves no list', async () => {
    const refused = async (words: readonly string[], sentence: RegExp): Promise<void> => {
      const { code, stdout, stderr } = await carve(['manifest', ...words], undefined, 'bad');
      assert.deepEqual([code === 0, stdout], [false, ''], stderr);
      assert.match(stderr, sentence);
    };
    const list = `${host}/bad:1`;
    await refused(['create', list, `${host}/v2:amd64`, `${host}/none:1`], /^no such manifest: /);
    await refused(['push', list], /^No such manifest: /);
    await refused(['create', 'BAD:1', `${host}/v2:amd64`], /BAD/);
    await refused(['create', list], /requires at least 2 arguments/);
    const foreign = `localhost:${host.split(':')[1] ?? ''}/bad:1`;
    await output(carve(['manifest', 'create', foreign, `${host}/v2:arm`], undefined, 'bad'));
    await refused(['push', foreign], /cannot use source images from a different registry/);
    await output(carve(['manifest', 'create', list, `${host}/v2:arm`], undefined, 'bad'));
    const folder = join(configOf('bad'), 'manifests');
    const [directory = ''] = readdirSync(folder).filter((name) => name.includes('127.0.0.1'));
    const [file = ''] = readdirSync(join(folder, directory));
    writeFileSync(join(folder, directory, file), '{"Ref":"x","Descriptor":{"digest":"../../etc"}}');
    await refused(['inspect', list], /is damaged/);
    await refused(['push', list], /is damaged/);
    await output(carve(['manifest', 'rm', list], undefined, 'bad'));
    rmSync(configOf('bad'), { recursive: true });
  });
});

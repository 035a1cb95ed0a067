/** Images of containers, and archives between carve, docker, skopeo, umoci and tar. Needs root. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { dockerPath, type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** Everything of a tree that an archive carries, one line a path; the root itself and mount points' times aside. */
function describeTree(root: string): readonly string[] {
  const script = [
    "find . -mindepth 1 ! -type d -printf '%P %y %m %U:%G %T@ %l\\n' | sed 's/\\.[0-9]*\\( [^ ]*\\)$/\\1/'",
    "find . -mindepth 1 -type d -printf '%P %y %m %U:%G\\n'",
    'find . -type f -print0 | sort -z | xargs -0 sha256sum',
    "find . -links +1 -type f -printf '%P hard %n\\n'",
    "getfattr -R -P -d -m '^(user|security.capability)' --absolute-names . 2>/dev/null | sed 's|^# file: ||'",
  ].join('; ');
  const text = execFileSync('sh', ['-c', script], { cwd: root, encoding: 'utf8' });
  // What the engine puts into every container is in its export, and in no image.
  const isEngines =
    /(?:^|\/)(?:\.dockerenv|etc\/(?:hosts|hostname|resolv\.conf))(?: |$)|^(?:dev|proc|sys) d /;
  return text
    .split('\n')
    .filter((line) => !isEngines.test(line))
    .toSorted();
}

describe('images that move', () => {
  let target: Target;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'carve-moves-'));
    target = await Target.start('bun', 'serve-whole.ts');
  });
  after(async () => {
    await target[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
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

  /** A fresh directory. */
  function folder(name: string): string {
    const path = join(directory, name);
    mkdirSync(path);
    return path;
  }

  function untar(archive: string, name: string): string {
    const root = folder(name);
    execFileSync('tar', ['-x', '--xattrs', '--xattrs-include=*', '-p', '-f', archive, '-C', root]);
    return root;
  }

  /** An image with all kinds of files, and a shell to change them. */
  async function importRich(): Promise<void> {
    const shell = join(directory, 'busybox.tar');
    await output(carve(['export', '-o', shell, await createOf('busybox')]));
    const root = untar(shell, 'rich');
    const more = encodeTar([
      { type: 'directory', path: 'kept', mode: 0o750, uid: 5, gid: 6 },
      { type: 'file', path: 'kept/a', content: Buffer.from('a'), mode: 0o644, mtimeS: 1e9 },
      { type: 'file', path: 'kept/b', content: Buffer.from('b'), mode: 0o600 },
      { type: 'directory', path: 'opaque', mode: 0o755 },
      { type: 'file', path: 'opaque/below', content: Buffer.from('x') },
      { type: 'directory', path: 'gone', mode: 0o755 },
      { type: 'file', path: 'gone/file', content: Buffer.from('x') },
      {
        type: 'file',
        path: 'capable',
        content: Buffer.from('#!'),
        mode: 0o755,
        xattrs: [
          { name: 'security.capability', value: CAPABILITY },
          { name: 'user.note', value: Buffer.from('kept') },
        ],
      },
      { type: 'symlink', path: 'link', linkPath: '../kept/a' },
      { type: 'hardlink', path: 'hard', linkPath: 'kept/b' },
      { type: 'fifo', path: 'pipe', mode: 0o620 },
      { type: 'file', path: 'setuid', content: Buffer.from('s'), mode: 0o4755, uid: 1000 },
    ]);
    execFileSync('tar', ['-x', '--xattrs', '--xattrs-include=*', '-p', '-C', root], {
      input: more,
    });
    const whole = join(directory, 'rich.tar');
    execFileSync('tar', ['-c', '--xattrs', '-f', whole, '-C', root, '.']);
    await output(carve(['import', '-c', 'CMD ["sh"]', '-c', 'ENV PATH=/bin', whole, 'rich:1']));
    await output(carve(['rm', 'made-of-busybox']));
  }

  async function createOf(image: string): Promise<string> {
    const name = `made-of-${image.replace(/[:/]/g, '-')}`;
    await output(carve(['create', '--network', 'none', '--name', name, image, 'true']));
    return name;
  }

  const CHANGES = [
    'rm -r /gone /opaque',
    'mkdir /opaque',
    'echo new > /opaque/new',
    'echo more >> /kept/a',
    'rm /kept/b',
    'ln /kept/a /kept/again',
    'ln -s nowhere /dangling',
    'touch -d @1234567890 /capable',
    'mkdir -p /deep/er',
    'echo ready',
  ].join(' && ');

  test('a commit of a running container, paused or not, is what umoci and tar see of it', async () => {
    await importRich();
    const words = ['run', '-d', '--network', 'none', '--name', 'changed', 'rich:1'];
    await output(carve([...words, 'sh', '-c', `${CHANGES}; sleep 1000`]));
    // Its line says that the changes are made.
    while (!(await output(carve(['logs', 'changed']))).includes('ready'));
    const said = ['-a', 'A. Author <a@example.org>', '-m', 'why it was made'];
    const changes = ['CMD ["/bin/cat"]', 'LABEL made=here', 'EXPOSE 80'];
    const options = [...said, ...changes.flatMap((change) => ['-c', change])];
    const id = (await output(docker(['commit', ...options, 'changed', 'committed:paused']))).trim();
    await output(carve(['commit', '--pause=false', 'changed', 'committed:running']));
    const state = ['inspect', '-f', '{{.State.Status}} {{.State.Paused}}', 'changed'];
    assert.equal(await output(carve(state)), 'running false\n');
    await output(carve(['kill', 'changed']));
    await output(carve(['commit', 'changed', 'committed:stopped']));
    const format =
      '{{.Id}} {{.Author}} {{.Comment}} {{.Config.Cmd}} {{.Config.Labels}} {{json .Config.ExposedPorts}}';
    for (const program of [carve, docker])
      assert.equal(
        await output(program(['image', 'inspect', '-f', format, 'committed:paused'])),
        `${id} A. Author <a@example.org> why it was made [/bin/cat] map[made:here] {"80/tcp":{}}\n`,
      );
    assert.match(await output(carve(['history', 'committed:paused'])), /sh -c 'rm|sh -c rm/);
    const exported = join(directory, 'changed.tar');
    await output(carve(['export', '-o', exported, 'changed']));
    const expected = describeTree(untar(exported, 'exported'));
    assert.ok(
      expected.some((line) => line.startsWith('capable f 755 0:0 1234567890')),
      expected.join('\n'),
    );
    assert.ok(expected.some((line) => line.startsWith('user.note=')));
    assert.ok(expected.some((line) => line.startsWith('opaque/new f 644 0:0')));
    assert.ok(!expected.some((line) => /^(?:gone|opaque\/below|kept\/b) /.test(line)));
    for (const kind of ['paused', 'running', 'stopped']) {
      const archive = join(directory, `${kind}.tar`);
      await output(carve(['save', '-o', archive, `committed:${kind}`]));
      const bundle = join(directory, `bundle-${kind}`);
      const layout = untar(archive, `layout-${kind}`);
      execFileSync('umoci', ['unpack', '--image', `${layout}:${kind}`, bundle], { stdio: 'pipe' });
      assert.deepEqual(describeTree(join(bundle, 'rootfs')), expected, `umoci of ${kind}`);
      const again = join(directory, `again-${kind}.tar`);
      const name = await createOf(`committed:${kind}`);
      await output(docker(['export', '-o', again, name]));
      assert.deepEqual(describeTree(untar(again, `again-${kind}`)), expected, `export of ${kind}`);
      await output(carve(['rm', name]));
    }
    await output(carve(['rm', 'changed']));
  });

  test('an archive of several images is read by skopeo as docker’s and as OCI’s, and comes back', async () => {
    await output(carve(['tag', 'busybox', 'one:1']));
    await output(carve(['tag', 'busybox', 'one:2']));
    const [archive, theirs] = [join(directory, 'several.tar'), join(directory, 'theirs.tar')];
    await output(carve(['save', '-o', archive, 'one', 'rich:1', 'committed:paused']));
    await output(docker(['save', '-o', theirs, 'one', 'rich:1', 'committed:paused']));
    assert.ok(
      readFileSync(archive).equals(readFileSync(theirs)),
      'the same images, the same bytes',
    );
    const tags = JSON.parse(
      execFileSync('skopeo', ['list-tags', `docker-archive:${archive}`], { encoding: 'utf8' }),
    ) as { readonly Tags: readonly string[] };
    const names = ['committed:paused', 'one:1', 'one:2', 'rich:1'];
    assert.deepEqual(tags.Tags.toSorted(), names);
    const layout = untar(archive, 'several');
    const ids = new Map<string, string>();
    for (const name of names)
      ids.set(name, (await output(carve(['image', 'inspect', '-f', '{{.Id}}', name]))).trim());
    for (const source of [`docker-archive:${archive}:rich:1`, `oci:${layout}:paused`]) {
      const copy = `${join(directory, 'copy')}-${source.slice(0, 3)}`;
      execFileSync('skopeo', ['copy', '-q', source, `dir:${copy}`]);
      const manifest = JSON.parse(readFileSync(join(copy, 'manifest.json'), 'utf8')) as {
        readonly config: { readonly digest: string };
      };
      const name = source.startsWith('oci') ? 'committed:paused' : 'rich:1';
      assert.equal(manifest.config.digest, ids.get(name));
    }
    await output(carve(['rmi', '-f', 'one:1', 'one:2', 'rich:1', 'committed:paused']));
    const loaded = await output(docker(['load', '-i', archive]));
    for (const name of names) assert.match(loaded, new RegExp(`Loaded image: ${name}`));
    for (const name of names)
      assert.equal(
        (await output(docker(['image', 'inspect', '-f', '{{.Id}}', name]))).trim(),
        ids.get(name),
      );
  });

  test('a platform is a condition of save, load, history, inspect and rmi', async () => {
    const own = `linux/${process.arch === 'x64' ? 'amd64' : 'arm64'}`;
    const archive = join(directory, 'platform.tar');
    const foreign = ['--platform', 'linux/s390x'];
    for (const words of [
      ['save', ...foreign, '-o', archive, 'busybox'],
      ['history', ...foreign, 'busybox'],
      ['rmi', ...foreign, 'busybox'],
      ['image', 'inspect', ...foreign, 'busybox'],
    ]) {
      const { code, stderr } = await carve(words);
      assert.equal(code, 1, words.join(' '));
      assert.match(
        stderr,
        /does not match the specified platform: wanted linux\/s390x, actual: linux/,
      );
    }
    await output(carve(['save', '--platform', own, '-o', archive, 'busybox']));
    const load = await carve(['load', ...foreign, '-i', archive]);
    assert.equal(load.code, 1, JSON.stringify(load));
    await output(carve(['load', '--platform', own, '-i', archive]));
    await output(carve(['history', '--platform', own, 'busybox']));
    assert.equal(
      await output(carve(['image', 'inspect', '--platform', own, '-f', '{{.Os}}', 'busybox'])),
      'linux\n',
    );
  });

  test('what takes room is told as docker tells it', async () => {
    await output(
      carve(['create', '--network', 'none', '--name', 'room', '-v', 'data:/data', 'rich:1']),
    );
    for (const words of [
      ['system', 'df'],
      ['system', 'df', '-v'],
      ['system', 'df', '--format', '{{.Type}} {{.Size}} {{.Reclaimable}}'],
      [
        'system',
        'df',
        '-v',
        '--format',
        '{{range .Images}}{{.ID}} {{.UniqueSize}} {{.Containers}};{{end}}',
      ],
      ['images', '--digests', '--no-trunc'],
      ['images', '-f', 'reference=*:1', '-f', 'label=none', '-q'],
      [
        'images',
        '--filter',
        'before=committed:paused',
        '--format',
        '{{.Repository}}:{{.Tag}} {{.Digest}}',
      ],
      [
        'history',
        '--no-trunc',
        '--format',
        '{{.ID}} {{.CreatedBy}} {{.Size}} {{.Comment}}',
        'committed:paused',
      ],
      ['history', '-q', 'busybox'],
    ]) {
      // Words like "2 seconds ago" may change between the two.
      const ages = (outcome: Outcome): string =>
        outcome.stdout
          .replaceAll(/(?:Less than a second|About a minute|\d+ \w+) ago/g, 'AGO')
          .replaceAll(/ +/g, ' ');
      const [mine, theirs] = [await carve(words), await docker(words)];
      // docker puts the repositories of one image in any order.
      const lines = (outcome: Outcome): readonly string[] => ages(outcome).split('\n').toSorted();
      assert.deepEqual(lines(mine), lines(theirs), words.join(' '));
    }
    await output(carve(['rm', '-v', 'room']));
  });
});

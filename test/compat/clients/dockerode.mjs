/**
 * Program: dockerode against the server at DOCKER_SOCKET. Prints one JSON object:
 * what each scenario saw.
 */

import { PassThrough } from 'node:stream';
import Docker from 'dockerode';

const docker = new Docker({ socketPath: process.env.DOCKER_SOCKET });

/** All output of a hijacked stream, by stream. */
async function demultiplexed(stream) {
  const out = new PassThrough();
  const err = new PassThrough();
  docker.modem.demuxStream(stream, out, err);
  const text = async (source) => {
    let all = '';
    for await (const piece of source) all += piece;
    return all;
  };
  stream.on('end', () => {
    out.end();
    err.end();
  });
  const [stdout, stderr] = await Promise.all([text(out), text(err)]);
  return { stdout, stderr };
}

const scenarios = {
  async ping() {
    return String(await docker.ping());
  },
  async version() {
    return (await docker.version()).ApiVersion;
  },
  async runs() {
    const out = new PassThrough();
    let all = '';
    out.on('data', (piece) => {
      all += piece;
    });
    const [status, container] = await docker.run('bb', ['sh', '-c', 'echo hi; exit 3'], out, {
      Tty: true,
    });
    await container.remove();
    return { all, status };
  },
  async attachesWithHijack() {
    const container = await docker.createContainer({
      Image: 'bb',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
    });
    const stream = await container.attach({
      stream: true,
      hijack: true,
      stdin: true,
      stdout: true,
      stderr: true,
    });
    await container.start();
    const output = demultiplexed(stream);
    stream.end('typed');
    const { stdout } = await output;
    const { StatusCode } = await container.wait();
    await container.remove();
    return { stdout, StatusCode };
  },
  async execsWithHijack() {
    const container = await started();
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'cat; echo e >&2; exit 5'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: true });
    const output = demultiplexed(stream);
    stream.end('in');
    const { stdout, stderr } = await output;
    const { ExitCode, Running } = await exec.inspect();
    await container.remove({ force: true });
    return { stdout, stderr, ExitCode, Running };
  },
  async execsWithoutUpgrade() {
    const container = await started();
    const exec = await container.exec({
      Cmd: ['sh', '-c', 'read a; echo got $a'],
      AttachStdin: true,
      AttachStdout: true,
    });
    const stream = await exec.start({ hijack: false, stdin: true });
    const output = demultiplexed(stream);
    stream.write('line\n');
    const { stdout } = await output;
    await container.remove({ force: true });
    return stdout;
  },
  async execsWithoutInput() {
    const container = await started();
    const exec = await container.exec({ Cmd: ['echo', 'plain'], AttachStdout: true });
    const { stdout } = await demultiplexed(await exec.start({}));
    await container.remove({ force: true });
    return stdout;
  },
  async followsLogs() {
    const container = await docker.createContainer({ Image: 'bb', Cmd: ['sh', '-c', 'echo l'] });
    await container.start();
    const { stdout } = await demultiplexed(
      await container.logs({ follow: true, stdout: true, stderr: true }),
    );
    await container.remove();
    return stdout;
  },
  async listsWithFilters() {
    const container = await started({ name: 'listed' });
    const rows = await docker.listContainers({ filters: { name: ['listed'] } });
    await container.remove({ force: true });
    return rows.map((row) => row.Names[0]);
  },
  async stopsTwice() {
    const container = await started();
    await container.stop();
    const second = await container.stop().then(
      () => 'stopped',
      (error) => error.statusCode,
    );
    await container.remove();
    return second;
  },
  async seesErrors() {
    return docker
      .getContainer('nobody')
      .inspect()
      .catch((error) => [error.statusCode, error.json.message]);
  },
  async followsPulls() {
    const stream = await docker.pull('missing:latest');
    return new Promise((resolve) => {
      docker.modem.followProgress(stream, (_error, steps) => resolve(steps.at(-1).error));
    });
  },
  async getsEvents() {
    const stream = await docker.getEvents();
    const first = new Promise((resolve) =>
      stream.once('data', (bytes) => resolve(JSON.parse(bytes))),
    );
    const container = await docker.createContainer({ Image: 'bb', Cmd: ['true'] });
    const event = await first;
    stream.destroy();
    await container.remove();
    return [event.status, event.Action, event.id === container.id];
  },
  async getsStats() {
    const container = await started();
    const stats = await container.stats({ stream: false });
    await container.remove({ force: true });
    return stats.memory_stats.usage;
  },
  async putsAndGetsArchives() {
    const container = await started();
    const archive = await container.getArchive({ path: '/etc/hostname' });
    let bytes = 0;
    for await (const piece of archive) bytes += piece.length;
    await container.remove({ force: true });
    return bytes > 0 && bytes % 512 === 0;
  },
  async makesManyAtOnce() {
    const made = await Promise.all(Array.from({ length: 20 }, () => started()));
    await Promise.all(made.map((container) => container.remove({ force: true })));
    return made.length;
  },
  async givesANameOnce() {
    const tries = await Promise.allSettled(
      Array.from({ length: 5 }, () => docker.createContainer({ name: 'one', Image: 'bb' })),
    );
    await docker.getContainer('one').remove();
    return tries
      .map(({ status, reason }) => (status === 'fulfilled' ? 201 : reason.statusCode))
      .sort((a, b) => a - b);
  },
};

async function started(more = {}) {
  const container = await docker.createContainer({ Image: 'bb', Cmd: ['sleep', '1000'], ...more });
  await container.start();
  return container;
}

const results = {};
for (const [name, scenario] of Object.entries(scenarios)) {
  const late = new Promise((resolve) => {
    setTimeout(() => resolve('took too long'), 10_000).unref();
  });
  results[name] = await Promise.race([
    scenario().catch((/** @type {unknown} */ error) => `failed: ${String(error)}`),
    late,
  ]);
}
process.stdout.write(`${JSON.stringify(results)}\n`);
process.exit(0);

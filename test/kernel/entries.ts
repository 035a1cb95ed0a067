/**
 * The ways into a container: its own program, an exec, a health check. What is
 * asked in each must be answered alike.
 */

import assert from 'node:assert/strict';
import type { ContainerConfig, ExecConfig, HostConfig } from '../../src/spec/docker/container.ts';
import { collect, type EngineFixture } from './engine-fixture.ts';

/** What a command wrote, and its exit code. */
export interface Answer {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a script by each entry, as the same user in containers of the same kind. */
export async function askEntries(
  fixture: EngineFixture,
  script: string,
  {
    config = {},
    hostConfig = {},
  }: { readonly config?: ContainerConfig; readonly hostConfig?: HostConfig } = {},
): Promise<{ readonly run: string; readonly exec: string; readonly health: string }> {
  const Cmd = ['sh', '-c', script];
  const own = await fixture.run({ ...config, Cmd }, hostConfig);
  await fixture.engine.containers.remove(own.id);
  const id = await fixture.create(
    {
      ...config,
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD', ...Cmd], Interval: 5_000_000, Retries: 1 },
    },
    hostConfig,
  );
  await fixture.engine.containers.start(id);
  const exec = await execIn(fixture, id, { Cmd });
  const health = await probeOutput(fixture, id);
  await fixture.engine.containers.remove(id, { force: true });
  return { run: own.stdout + own.stderr, exec: exec.output, health };
}

/** Runs a command in a container that runs. */
export async function execIn(
  fixture: EngineFixture,
  id: string,
  config: ExecConfig,
): Promise<Answer> {
  const { execs } = fixture.engine;
  const { id: execId } = await execs.create(id, {
    AttachStdout: true,
    AttachStderr: true,
    ...config,
  });
  const attachment = await execs.start(execId, { detach: false, tty: false });
  assert.ok(attachment !== undefined);
  attachment.stream.end();
  const { stdout, stderr } = await collect(attachment.stream);
  return { code: (await execs.inspect(execId)).ExitCode, output: stdout + stderr };
}

/** Output of the first health check that ends. */
async function probeOutput(fixture: EngineFixture, id: string): Promise<string> {
  for (;;) {
    const { State } = await fixture.engine.containers.inspect(id);
    const [first] = State.Health?.Log ?? [];
    if (first !== undefined) return first.Output;
    assert.equal(State.Status, 'running');
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** `Key:\tvalue` lines of a status file. */
export function statusOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf(':');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()]];
    }),
  );
}

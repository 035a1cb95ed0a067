/** `carve version`. */

import { isEngineError } from '../../../base/error.ts';
import type { SystemVersion } from '../../../client/system.ts';
import { newestApiVersion } from '../../../client/transport.ts';
import { defineCommand, type Command } from '../../command.ts';
import { neutraliseText } from '../../print/safe.ts';
import { compileTemplate } from '../../print/template/template.ts';
import { errorSentence } from '../../report.ts';
import { carveVersion } from '../../version.ts';

/** Shows the versions of this command and of the engine. */
export const versionCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: { format: { kind: 'string', short: 'f', help: 'Write by a template, or as json' } },
    args: { min: 0, max: 0 },
  },
  async ({ client, io }, { flags }) => {
    const template =
      flags.format === ''
        ? undefined
        : compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format);
    let server: SystemVersion | undefined;
    let failure: unknown;
    try {
      server = await client.system.version();
    } catch (error) {
      if (!isEngineError(error)) throw error;
      failure = error;
    }
    const local = clientVersion(client.apiVersion());
    const text =
      template === undefined
        ? formatVersions(local, server)
        : template.format({ Client: local, Server: server ?? null });
    await io.stdout.write(template === undefined ? text : `${text}\n`);
    if (failure === undefined) return 0;
    await io.stderr.write(`${neutraliseText(errorSentence(failure))}\n`);
    return 1;
  },
);

interface ClientVersion {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly DefaultAPIVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly Runtime: string;
}

function clientVersion(apiVersion: string): ClientVersion {
  const { bun } = process.versions;
  return {
    Version: carveVersion,
    ApiVersion: apiVersion,
    DefaultAPIVersion: newestApiVersion,
    Os: process.platform,
    Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    Runtime: bun === undefined ? `node ${process.versions.node}` : `bun ${bun}`,
  };
}

/** Width of the names. */
const nameWidth = 18;

function formatVersions(local: ClientVersion, server: SystemVersion | undefined): string {
  const lines = [
    'Client: carve',
    row('Version', local.Version),
    row('API version', apiText(local)),
    row('Runtime', local.Runtime),
    row('OS/Arch', `${local.Os}/${local.Arch}`),
  ];
  if (server !== undefined) lines.push('', ...serverLines(server));
  return `${neutraliseText(lines.join('\n'))}\n`;
}

function apiText({ ApiVersion, DefaultAPIVersion }: ClientVersion): string {
  return ApiVersion === DefaultAPIVersion
    ? ApiVersion
    : `${ApiVersion} (downgraded from ${DefaultAPIVersion})`;
}

function serverLines(server: SystemVersion): readonly string[] {
  const lines = [
    `Server: ${server.Platform?.Name ?? ''}`.trimEnd(),
    row('Version', server.Version),
    row('API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion ?? '1.24'})`),
    row('OS/Arch', `${server.Os}/${server.Arch}`),
    row('Kernel', server.KernelVersion ?? ''),
    row('Git commit', server.GitCommit),
    row('Built', server.BuildTime ?? ''),
  ];
  // The engine itself is told above.
  const parts = (server.Components ?? []).filter(({ Version }) => Version !== server.Version);
  return [...lines, ...parts.map(({ Name, Version }) => row(Name, Version))].filter(
    (line) => line !== '',
  );
}

function row(name: string, value: string): string {
  return value === '' ? '' : ` ${`${name}:`.padEnd(nameWidth)} ${value}`;
}

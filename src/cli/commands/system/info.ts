/** `carve info`. */

import { isEngineError } from '../../../base/error.ts';
import type { SystemInfo } from '../../../spec/docker/system.ts';
import { defineCommand, type Command } from '../../command.ts';
import { neutraliseText } from '../../print/safe.ts';
import { compileTemplate } from '../../print/template/template.ts';
import { formatBinarySize } from '../../print/units.ts';
import { errorSentence } from '../../report.ts';
import { carveVersion } from '../../version.ts';

/** Shows what the engine is and has. */
export const infoCommand: Command = defineCommand(
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
    if (template !== undefined) {
      const info = await client.system.info();
      await io.stdout.write(
        `${template.format({ ...info, ClientInfo: { Version: carveVersion } })}\n`,
      );
      return 0;
    }
    await io.stdout.write(`Client:\n Version: ${carveVersion}\n\n`);
    try {
      const info = await client.system.info();
      await io.stdout.write(`${neutraliseText(['Server:', ...serverLines(info)].join('\n'))}\n`);
      for (const warning of info.Warnings ?? [])
        await io.stderr.write(`${neutraliseText(warning)}\n`);
      return 0;
    } catch (error) {
      if (!isEngineError(error)) throw error;
      await io.stderr.write(`${neutraliseText(errorSentence(error))}\n`);
      return 1;
    }
  },
);

function serverLines(info: SystemInfo): readonly string[] {
  return [
    ` Containers: ${String(info.Containers)}`,
    `  Running: ${String(info.ContainersRunning)}`,
    `  Paused: ${String(info.ContainersPaused)}`,
    `  Stopped: ${String(info.ContainersStopped)}`,
    ` Images: ${String(info.Images)}`,
    ` Server Version: ${info.ServerVersion}`,
    ` Storage Driver: ${info.Driver}`,
    ...info.DriverStatus.map(([name, value]) => `  ${name}: ${value}`),
    ` Logging Driver: ${info.LoggingDriver}`,
    ` Cgroup Driver: ${info.CgroupDriver}`,
    ` Cgroup Version: ${info.CgroupVersion}`,
    ' Plugins:',
    `  Volume: ${info.Plugins.Volume.join(' ')}`,
    `  Network: ${info.Plugins.Network.join(' ')}`,
    `  Log: ${info.Plugins.Log.join(' ')}`,
    ...firewallLines(info),
    ` Runtimes: ${Object.keys(info.Runtimes).join(' ')}`,
    ` Default Runtime: ${info.DefaultRuntime}`,
    ' Security Options:',
    ...info.SecurityOptions.map((option) => `  ${securityName(option)}`),
    ` Kernel Version: ${info.KernelVersion}`,
    ` Operating System: ${info.OperatingSystem}`,
    ` OSType: ${info.OSType}`,
    ` Architecture: ${info.Architecture}`,
    ` CPUs: ${String(info.NCPU)}`,
    ` Total Memory: ${formatBinarySize(info.MemTotal)}`,
    ` Name: ${info.Name}`,
    ` ID: ${info.ID}`,
    ` Root Dir: ${info.DockerRootDir}`,
    ` Live Restore Enabled: ${String(info.LiveRestoreEnabled)}`,
    ...proxyLines(info),
  ];
}

function firewallLines({ FirewallBackend }: SystemInfo): readonly string[] {
  if (FirewallBackend === undefined) return [];
  const { Driver, Info = [] } = FirewallBackend;
  return [` Firewall Backend: ${Driver}`, ...Info.map(([name, value]) => `  ${name}: ${value}`)];
}

function proxyLines({ HttpProxy, HttpsProxy, NoProxy }: SystemInfo): readonly string[] {
  const lines: readonly (readonly [string, string])[] = [
    ['HTTP Proxy', HttpProxy],
    ['HTTPS Proxy', HttpsProxy],
    ['No Proxy', NoProxy],
  ];
  return lines.filter(([, value]) => value !== '').map(([name, value]) => ` ${name}: ${value}`);
}

/** `name=seccomp,profile=builtin` → `seccomp (profile: builtin)`. */
function securityName(option: string): string {
  const [name = '', ...more] = option.split(',').map((pair) => pair.split('='));
  const rest = more.map(([key = '', value = '']) => `${key}: ${value}`).join(', ');
  return `${name[1] ?? name[0] ?? ''}${rest === '' ? '' : ` (${rest})`}`;
}

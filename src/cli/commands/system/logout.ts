/** `carve logout`. */

import { recordOf } from '../../config/config.ts';
import { changeConfig } from '../../config/write-config.ts';
import { defineCommand, type Command } from '../../command.ts';
import { eraseHelperCredentials } from '../../credential-helper.ts';
import { neutraliseText } from '../../print/safe.ts';
import { helperFor, registryKey } from '../../registry/auth.ts';

/** Forgets the credentials of a registry. */
export const logoutCommand: Command = defineCommand(
  { synopsis: '[REGISTRY]', flags: {}, args: { min: 0, max: 1 } },
  async (context, { args }) => {
    const { io } = context;
    const [registry = 'docker.io'] = args;
    const domain = registry.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
    const key = registryKey(domain);
    const config = context.config();
    const auths = recordOf(config.raw['auths']);
    const helper = helperFor(config, key);
    const names = [key, domain, `https://${domain}`, `http://${domain}`].filter(
      (name) => name in auths,
    );
    if (names.length === 0 && helper === undefined) {
      await io.stdout.write(`Not logged in to ${neutraliseText(key)}\n`);
      return;
    }
    await io.stdout.write(`Removing login credentials for ${neutraliseText(key)}\n`);
    if (helper !== undefined) await eraseHelperCredentials(helper, key);
    if (names.length === 0) return;
    await changeConfig(config.path, (raw) => {
      const entries = Object.entries(recordOf(raw['auths']));
      return {
        ...raw,
        auths: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
      };
    });
  },
);

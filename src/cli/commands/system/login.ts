/** `carve login`. */

import { EngineError } from '../../../base/error.ts';
import type { AuthConfig } from '../../../client/system.ts';
import { recordOf } from '../../config/config.ts';
import { changeConfig } from '../../config/write-config.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { storeHelperCredentials } from '../../credential-helper.ts';
import { usageError } from '../../flags/usage-error.ts';
import { neutraliseText } from '../../print/safe.ts';
import { readSecret, readWord } from '../../prompt.ts';
import { findAuth, helperFor, registryKey } from '../../registry/auth.ts';

/** Checks credentials with their registry and keeps them. */
export const loginCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [REGISTRY]',
    flags: {
      username: { kind: 'string', short: 'u', help: 'Log in as this user' },
      password: {
        kind: 'string',
        short: 'p',
        help: 'The password; everybody on this machine can see it here',
      },
      'password-stdin': { kind: 'bool', help: 'Read the password from standard input' },
    },
    args: { min: 0, max: 1 },
    examples: [
      'carve login registry.example.org',
      'cat token | carve login -u me --password-stdin registry.example.org',
    ],
  },
  async (context, { flags, given, args }) => {
    const { client, io } = context;
    const [registry = 'docker.io'] = args;
    const domain = registry.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
    if (flags['password-stdin'] && given.has('password'))
      throw usageError('--password and --password-stdin are mutually exclusive');
    if (flags['password-stdin'] && flags.username === '')
      throw usageError('Must provide --username with --password-stdin');
    if (given.has('password')) {
      await io.stderr.write(
        'WARNING! Others can read a password on the command line. Use --password-stdin.\n',
      );
    }
    const auth = await askCredentials(context, domain, flags);
    const { Status, IdentityToken } = await client.system.login(auth);
    await keep(
      context,
      domain,
      IdentityToken === undefined || IdentityToken === ''
        ? auth
        : { ...auth, identitytoken: IdentityToken },
    );
    if (Status !== '') await io.stdout.write(`${neutraliseText(Status)}\n`);
  },
);

async function askCredentials(
  context: Context,
  domain: string,
  flags: {
    readonly username: string;
    readonly password: string;
    readonly 'password-stdin': boolean;
  },
): Promise<AuthConfig> {
  const { io } = context;
  const serveraddress = registryKey(domain);
  if (flags['password-stdin']) {
    return { username: flags.username, password: await readSecret(io), serveraddress };
  }
  const known = flags.username === '' ? await findAuth(context.config(), domain) : {};
  if (flags.password === '' && known.username !== undefined && known.password !== undefined)
    return { ...known, serveraddress };
  const username = flags.username === '' ? await readWord(io, 'Username: ') : flags.username;
  const password = flags.password === '' ? await readSecret(io, 'Password: ') : flags.password;
  if (username === '' || password === '')
    throw new EngineError('invalid', 'A login needs a user name and a password');
  return { username, password, serveraddress };
}

async function keep(context: Context, domain: string, auth: AuthConfig): Promise<void> {
  const config = context.config();
  const key = registryKey(domain);
  const helper = helperFor(config, key);
  if (helper === undefined) {
    const pair = Buffer.from(
      `${auth.username ?? ''}:${auth.identitytoken === undefined ? (auth.password ?? '') : ''}`,
    ).toString('base64');
    const entry = {
      auth: pair,
      ...(auth.identitytoken === undefined ? {} : { identitytoken: auth.identitytoken }),
    };
    await keepEntry(config.path, key, entry);
    await context.io.stderr.write(
      `WARNING! Your credentials are stored unencrypted in ${neutraliseText(config.path)}. A credential helper keeps them safer.\n`,
    );
    return;
  }
  await storeHelperCredentials(helper, {
    ServerURL: key,
    Username: auth.identitytoken === undefined ? (auth.username ?? '') : '<token>',
    Secret: auth.identitytoken ?? auth.password ?? '',
  });
  // The entry says that there is a login; the secret is with the helper.
  await keepEntry(config.path, key, {});
}

async function keepEntry(path: string, key: string, entry: object): Promise<void> {
  await changeConfig(path, (raw) => ({
    ...raw,
    auths: { ...recordOf(raw['auths']), [key]: entry },
  }));
}

/**
 * The command line: words → command → exit code. Everything a command does not
 * do itself is here: global flags, help, the engine to talk to.
 */

import { createClient, type Client } from '../client/client.ts';
import { formatHost, parseHost, type HostAddress } from '../client/host.ts';
import { openConnection, type Connection } from '../client/http/connection.ts';
import type { Command, Context } from './command.ts';
import { rootEntry } from './commands/index.ts';
import { findEntry, type CommandEntry, type GroupEntry, type LeafEntry } from './commands/tree.ts';
import { configDirectory, readConfig, type ClientConfig } from './config/config.ts';
import { daemonDefaults, type DaemonDefaults } from './daemon-defaults.ts';
import { exitCodeOf, type FailureStyle } from './exit.ts';
import { parseFlags } from './flags/parse.ts';
import type { FlagValues } from './flags/table.ts';
import { argumentError } from './flags/usage-error.ts';
import { globalFlags } from './global-flags.ts';
import type { Io } from './io.ts';
import { reportError } from './report.ts';

/** What may be replaced, for tests and side-by-side engines. */
export interface CliOptions {
  readonly daemon?: DaemonDefaults;
}

/** What an error report must know about the command that failed. */
interface Progress {
  path: string;
  style: FailureStyle;
  isDebug: boolean;
}

/** Runs one command line, without the program's own name; gives the exit code. Never throws. */
export async function runCli(
  argv: readonly string[],
  io: Io,
  options: CliOptions = {},
): Promise<number> {
  const progress: Progress = { path: rootEntry.name, style: 'plain', isDebug: false };
  try {
    return await new CommandLine(io, options.daemon ?? daemonDefaults, progress).run(argv);
  } catch (error) {
    // Where nobody reads what went wrong, the exit code still says that it did.
    await reportError(error, io, progress).catch(() => undefined);
    return exitCodeOf(error, progress.style);
  }
}

/** What the scripts of the shells call; no command for people. */
const completeWord = '__complete';

type GlobalFlags = FlagValues<typeof globalFlags>;

class CommandLine {
  readonly #io: Io;
  readonly #daemon: DaemonDefaults;
  readonly #progress: Progress;

  constructor(io: Io, daemon: DaemonDefaults, progress: Progress) {
    this.#io = io;
    this.#daemon = daemon;
    this.#progress = progress;
  }

  async run(argv: readonly string[]): Promise<number> {
    const { flags, args } = parseFlags(globalFlags, argv, { isInterspersed: false });
    this.#progress.isDebug = flags.debug;
    if (flags.version) return await this.#printVersion();
    if (args[0] === completeWord) return await this.#complete(flags, args.slice(1));
    const { entry, path, rest } = resolve(args);
    this.#progress.path = path;
    if (entry.kind === 'group')
      return await this.#runGroup(entry, path, { rest, isHelp: flags.help });
    const command = await entry.load();
    this.#progress.style = command.spec.failure ?? 'plain';
    const config = lazy(() => readConfig(configDirectory(flags.config, this.#io.env)));
    const client = this.#client(flags, config);
    const context: Context = {
      io: this.#io,
      client,
      config,
      path,
      showHelp: () => this.#showHelp(command, entry, path),
    };
    try {
      return await command.run(context, flags.help ? ['--help'] : rest);
    } finally {
      client.close();
    }
  }

  /** Address of the engine, in its normal form. Throws `invalid`. */
  #host(flags: GlobalFlags): string {
    const { env } = this.#io;
    const given = [flags.host.at(-1), env['CARVE_HOST'], env['DOCKER_HOST']].find(
      (text) => text !== undefined && text !== '',
    );
    return formatHost(parseHost(given ?? this.#daemon.host));
  }

  #client(flags: GlobalFlags, config: () => ClientConfig): Client {
    const host = this.#host(flags);
    const isDefault = host === this.#daemon.host;
    return createClient({
      host,
      connect: isDefault ? (address) => this.#connectOrStart(address) : openConnection,
      // Carve's own daemon wants none; reading the file is for remote ones behind a proxy.
      ...(isDefault ? {} : { headers: config().httpHeaders }),
    });
  }

  async #complete(flags: GlobalFlags, words: readonly string[]): Promise<number> {
    const { answerCompletion } = await import('./complete/answer.ts');
    const own = words[0] === '--' ? words.slice(1) : words;
    await answerCompletion(rootEntry, own, { io: this.#io, host: this.#host(flags) });
    return 0;
  }

  async #connectOrStart(address: HostAddress): Promise<Connection> {
    try {
      return await openConnection(address);
    } catch (error) {
      const { startAndConnect } = await import('./daemon.ts');
      return await startAndConnect(error, address, { io: this.#io, defaults: this.#daemon });
    }
  }

  async #runGroup(
    group: GroupEntry,
    path: string,
    { rest, isHelp }: { readonly rest: readonly string[]; readonly isHelp: boolean },
  ): Promise<number> {
    const { flags } = parseFlags({ help: globalFlags.help }, rest, { isInterspersed: false });
    const { formatGroupHelp } = await import('./group-help.ts');
    const columns = this.#io.stdout.size?.columns ?? 80;
    const isAsked = isHelp || flags.help;
    await this.#io[isAsked || group === rootEntry ? 'stdout' : 'stderr'].write(
      formatGroupHelp(group, path, columns),
    );
    if (isAsked || group === rootEntry) return 0;
    throw argumentError(`'${path}' requires a command`);
  }

  async #showHelp(command: Command, entry: LeafEntry, path: string): Promise<void> {
    const { formatCommandHelp } = await import('./group-help.ts');
    const columns = this.#io.stdout.size?.columns ?? 80;
    await this.#io.stdout.write(formatCommandHelp({ command, entry, path, columns }));
  }

  async #printVersion(): Promise<number> {
    const { carveVersion } = await import('./version.ts');
    await this.#io.stdout.write(`carve version ${carveVersion}\n`);
    return 0;
  }
}

/** Follows words down the tree of commands. Throws a usage error for a word that is none. */
function resolve(words: readonly string[]): {
  readonly entry: CommandEntry;
  readonly path: string;
  readonly rest: readonly string[];
} {
  let entry: CommandEntry = rootEntry;
  let path = rootEntry.name;
  let at = 0;
  for (; entry.kind === 'group'; at++) {
    const word = words[at];
    if (word === undefined || word.startsWith('-')) break;
    const { found, nearest } = findEntry(entry, word);
    if (found === undefined) {
      throw argumentError(
        `unknown command: ${path} ${word}`,
        nearest === undefined ? {} : { hint: `Did you mean ${path} ${nearest}?` },
      );
    }
    entry = found;
    path += ` ${found.name}`;
  }
  return { entry, path, rest: words.slice(at) };
}

function lazy<V>(make: () => V): () => V {
  let made: { readonly value: V } | undefined;
  return () => (made ??= { value: make() }).value;
}

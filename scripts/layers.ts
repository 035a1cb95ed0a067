/**
 * The layer table: which folder of `src/` may import which, as a literal.
 * `check-layers.ts` enforces it; `docs/architecture.md` tells why. A new edge
 * needs a decision record.
 */

/** One folder of `src/`. */
export interface Layer {
  /** Folders it may import besides itself. */
  readonly mayImport: readonly string[];
  /** Said in every message about this folder. */
  readonly because: string;
}

const BELOW_ENGINE = [
  'base',
  'spec',
  'kernel',
  'content',
  'volumes',
  'layers',
  'images',
  'snapshots',
  'network',
  'runtime',
  'build',
] as const;

const SIBLINGS =
  'snapshots, network and runtime never know each other: they meet as data in the engine';

/** Folder → rule. A folder that is not here fails the check, so does one listed here that is gone. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  base: { mayImport: [], because: 'base stands on nothing' },
  spec: { mayImport: ['base'], because: 'spec is words and values only' },
  kernel: { mayImport: ['base', 'spec'], because: 'the kernel half knows no engine idea' },
  content: { mayImport: ['base', 'spec', 'kernel'], because: 'blobs know no layers and no images' },
  volumes: { mayImport: ['base', 'spec', 'kernel'], because: 'volumes know no containers' },
  layers: { mayImport: ['base', 'spec', 'kernel', 'content'], because: 'layers know no images' },
  images: {
    mayImport: ['base', 'spec', 'content', 'layers'],
    because: 'images reach the kernel only through layers',
  },
  snapshots: { mayImport: ['base', 'spec', 'kernel'], because: SIBLINGS },
  network: { mayImport: ['base', 'spec', 'kernel'], because: SIBLINGS },
  runtime: { mayImport: ['base', 'spec', 'kernel'], because: SIBLINGS },
  build: {
    mayImport: ['base', 'spec', 'content', 'images', 'layers', 'snapshots', 'runtime'],
    because: 'a build uses the contracts of the stores and the runtime',
  },
  engine: { mayImport: BELOW_ENGINE, because: 'the engine knows no wire and no command line' },
  http: {
    mayImport: ['base', 'spec', 'engine'],
    because: 'a route decodes, calls one operation, encodes',
  },
  client: { mayImport: ['base', 'spec'], because: 'the client runs where no engine is' },
  cli: {
    mayImport: ['base', 'spec', 'client'],
    because: 'the command line speaks the Engine API only',
  },
};

/** Files that a folder may import although the rest of their folder is closed to it. */
export interface OpenFiles {
  readonly by: string;
  /** Paths below `src/`; these files must only compute. */
  readonly files: RegExp;
  readonly because: string;
}

/** The open files. */
export const OPEN_FILES: readonly OpenFiles[] = [
  {
    by: 'cli',
    files: /^layers\/tar-[a-z]+\.ts$/,
    because: '`cp` packs and unpacks tar on the client, by the one codec that is hardened',
  },
];

/** Folders of later work; the check asks to remove one from here when it appears. */
export const PLANNED: readonly string[] = ['build'];

/** Files of `src/` itself: they may import anything and nobody imports them. */
export const TOP_FILES: readonly string[] = ['wiring.ts', 'index.ts', 'bin.ts'];

/** Folders whose code does no I/O, so that every plan can be tested without a kernel. */
export const PURE: readonly string[] = [
  'base',
  'spec',
  'kernel/plan',
  'kernel/netlink',
  'kernel/nft',
  'kernel/bpf',
  'runtime/plan',
  'network/plan',
  'network/ipam',
  'build/parse',
  'build/graph',
  'build/cache-key',
];

/** The `node:` modules that only compute. */
export const COMPUTING_MODULES: ReadonlySet<string> = new Set([
  'node:assert/strict',
  'node:buffer',
  'node:crypto',
  'node:path',
  'node:path/posix',
  'node:url',
  'node:util',
]);

/** Names that only compute in modules that otherwise do I/O. */
export const COMPUTING_NAMES: Readonly<Record<string, ReadonlySet<string>>> = {
  'node:net': new Set(['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress']),
};

/** Files outside `src/` that one file of it may read. */
export const OUTSIDE: ReadonlyMap<string, string> = new Map([
  ['cli/version.ts', '../package.json'],
]);

/** A `node:` module that few files may use: which, and why. */
export interface Reserved {
  readonly modules: readonly string[];
  /** Files (`kernel/chisel.ts`) or folders (`http/`) of `src/`. */
  readonly places: readonly string[];
  readonly because: string;
}

/** Who may start programs, open sockets, keep a database. */
export const RESERVED: readonly Reserved[] = [
  {
    modules: ['node:child_process', 'node:cluster'],
    places: [
      'kernel/chisel.ts',
      'kernel/chisel-host.ts',
      'kernel/spawn-chisel.ts',
      'cli/credential-helper.ts',
      'cli/spawn.ts',
    ],
    because: 'programs are started in few known places, each with its own argument checks',
  },
  {
    modules: [
      'node:net',
      'node:http',
      'node:https',
      'node:http2',
      'node:tls',
      'node:dgram',
      'node:dns',
      'node:dns/promises',
    ],
    places: [
      'images/',
      'client/',
      'http/',
      'kernel/chisel.ts',
      'kernel/monitor.ts',
      'kernel/monitor-socket.ts',
      'network/dns/',
      // Only looks names up: the kernel's NFS and CIFS know none.
      'volumes/addresses.ts',
    ],
    because:
      'sockets belong to the registry client, the two ends of the API, the chisel and name resolution',
  },
];

/** Implementations that only `wiring.ts` names; the engine uses the contract beside them. */
export const IMPLEMENTATION = /(?:^|\/)(?:disk|overlay|bridge|sqlite|chisel-runtime)\.ts$/;

/** Contract files that `build` may import from the stores and the runtime. */
export const CONTRACT = /(?:^|\/)(?:store|runtime|driver|contract)\.ts$/;

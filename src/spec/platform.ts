/**
 * Platforms: `os/architecture[/variant]` and which of several an image offers fits best.
 *
 * Source: OCI image-spec 1.1.1 image-index.md "platform"; names of
 * architectures and variants as Go's GOARCH/GOARM, normalised as containerd does.
 */
import { EngineError } from '../base/error.ts';

/** One platform of an image. Source: OCI image-spec 1.1.1 image-index.md. */
export interface Platform {
  /** Kernel, e.g. `linux`. */
  readonly os: string;
  /** Processor in Go's words, e.g. `amd64`, `arm64`. */
  readonly architecture: string;
  /** Processor variant, e.g. `v8`; absent where the architecture has none. */
  readonly variant?: string;
}

const COMPONENT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Other names of architectures (uname's, Debian's) → Go's. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  x64: 'amd64',
  i386: '386',
  i486: '386',
  i586: '386',
  i686: '386',
  ia32: '386',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  ppc64el: 'ppc64le',
  loongarch64: 'loong64',
};
const VARIANTS_OF_ALIAS: Readonly<Record<string, string>> = { armhf: 'v7', armel: 'v6' };
const OPERATING_SYSTEMS: Readonly<Record<string, string>> = { macos: 'darwin' };

/**
 * `linux/arm64/v8`, `arm64` or `linux` → platform; a missing part is the host's.
 * Errors: `invalid`.
 */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !COMPONENT.test(part))) {
    throw new EngineError(
      'invalid',
      `Cannot use platform ${JSON.stringify(text.slice(0, 100))}: it is not os/architecture[/variant]`,
    );
  }
  const [first = '', second, variant] = parts;
  if (second !== undefined)
    return normalizePlatform({
      os: first,
      architecture: second,
      ...(variant === undefined ? {} : { variant }),
    });
  const isArchitecture =
    first.toLowerCase() in ARCHITECTURES || GO_ARCHITECTURES.has(first.toLowerCase());
  return isArchitecture
    ? normalizePlatform({ os: host.os, architecture: first })
    : normalizePlatform({ ...host, os: first });
}

const GO_ARCHITECTURES: ReadonlySet<string> = new Set([
  '386',
  'amd64',
  'arm',
  'arm64',
  'loong64',
  'mips',
  'mips64',
  'mips64le',
  'mipsle',
  'ppc64',
  'ppc64le',
  'riscv64',
  's390x',
  'wasm',
]);

/** Lower case, Go's names, and no variant that is the architecture's default (amd64 v1, arm64 v8). */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const given = platform.architecture.toLowerCase();
  const architecture = ARCHITECTURES[given] ?? given;
  const variant = normalizeVariant(
    architecture,
    platform.variant?.toLowerCase() ?? VARIANTS_OF_ALIAS[given] ?? '',
  );
  return { os: OPERATING_SYSTEMS[os] ?? os, architecture, ...(variant === '' ? {} : { variant }) };
}

function normalizeVariant(architecture: string, variant: string): string {
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8' || variant === 'v8.0'))
    return '';
  if (architecture === 'amd64' && variant === 'v1') return '';
  if (architecture === 'arm') {
    if (variant === '') return 'v7';
    return /^[5-8]$/.test(variant) ? `v${variant}` : variant;
  }
  return variant;
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** Platform of the machine from Node's `process.arch` word (`x64`, `arm64`, …). */
export function hostPlatform(processArch: string): Platform {
  return normalizePlatform({ os: 'linux', architecture: processArch });
}

/**
 * How well `offered` runs where `wanted` is asked for: the lower the better,
 * `undefined` when it does not. A processor runs the variants below its own
 * (arm v7 runs v6 and v5; amd64 v3 runs v2 and v1), and arm64 v8 runs arm.
 */
export function rankPlatform(offered: Platform, wanted: Platform): number | undefined {
  const have = normalizePlatform(offered);
  const want = normalizePlatform(wanted);
  if (have.os !== want.os) return undefined;
  if (have.architecture !== want.architecture) {
    if (want.architecture !== 'arm64' || have.architecture !== 'arm') return undefined;
    const level = variantLevel(have);
    return level > 8 ? undefined : 100 + (8 - level);
  }
  const difference = variantLevel(want) - variantLevel(have);
  return difference < 0 ? undefined : difference;
}

function variantLevel(platform: Platform): number {
  const digits = /^v?(\d+)/.exec(platform.variant ?? '')?.[1];
  if (digits !== undefined) return Number(digits);
  if (platform.architecture === 'arm64') return 8;
  return 1;
}

/** The best of several offers for `wanted`; of equals the first. `undefined` when none runs. */
export function choosePlatform<T>(
  offers: readonly T[],
  platformOf: (offer: T) => Platform | undefined,
  wanted: Platform,
): T | undefined {
  let best: { readonly offer: T; readonly rank: number } | undefined;
  for (const offer of offers) {
    const platform = platformOf(offer);
    const rank = platform === undefined ? undefined : rankPlatform(platform, wanted);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { offer, rank };
  }
  return best?.offer;
}

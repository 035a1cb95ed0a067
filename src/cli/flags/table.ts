/**
 * Flags as data. One table per command says all there is to know about its
 * flags; parsing, help texts, completion and documentation come from it.
 */

/** What a flag's value is; decides how its text is read and what help calls it. */
export type FlagKind = keyof KindValues;

/** The type of a parsed value, by kind. */
export interface KindValues {
  /** Needs no value; `--flag=false` unsets. */
  readonly bool: boolean;
  readonly string: string;
  /** May be given several times; every value counts. */
  readonly list: readonly string[];
  /** Like `list`, of `key=value`. */
  readonly map: readonly string[];
  /** A whole number. */
  readonly int: number;
  /** A count of bytes, written with b, k, m, g or t. */
  readonly bytes: number;
  /** As `bytes`, or -1 for no limit. */
  readonly 'bytes-or-unlimited': number;
  /** Nanoseconds, written as `1m30s`. */
  readonly duration: number;
  /** A count of billionths, written as `1.5`. */
  readonly decimal: number;
}

/** One flag. */
export interface FlagSpec {
  readonly kind: FlagKind;
  /** One letter. */
  readonly short?: string;
  /** One sentence without a period, as read after "this flag makes carve". */
  readonly help: string;
  /** Value when the flag is not given; else false, '', 0 or an empty list. */
  readonly default?: boolean | number | string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  /** Works, but is not shown: another name of flag `aliasOf`, or of no use on Linux. */
  readonly isHidden?: boolean;
  /** The flag this is another name of. */
  readonly aliasOf?: string;
  /** Heading it stands under in help; without one it is under "Options". */
  readonly group?: string;
  /** What its value names, for completion. */
  readonly completes?:
    | 'container'
    | 'image'
    | 'file'
    | 'directory'
    | 'signal'
    | 'volume'
    | 'network';
}

/** Flags of a command by their long names. */
export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** The parsed values of a table. */
export type FlagValues<T extends FlagTable> = {
  readonly [Name in keyof T]: KindValues[T[Name]['kind']];
};

/** What a command line gave. */
export interface Parsed<T extends FlagTable> {
  readonly flags: FlagValues<T>;
  /** Names of the flags that were on the line, aliases resolved. */
  readonly given: ReadonlySet<keyof T & string>;
  /** What is not a flag. */
  readonly args: readonly string[];
}

/** `-m, --memory` or `--memory`: how messages and help call a flag. */
export function formatFlagName(name: string, spec: FlagSpec): string {
  return spec.short === undefined ? `--${name}` : `-${spec.short}, --${name}`;
}

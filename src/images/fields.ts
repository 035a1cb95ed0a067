/**
 * Typed access to the fields of an untrusted JSON object. Every getter checks
 * the type it promises; `null` counts as absent, as Go's decoders take it.
 *
 * **Invariant:** only own properties are looked at; `__proto__` is a name like any other.
 */
import { EngineError } from '../base/error.ts';

/** Deepest nesting of a document. */
const DEPTH_MAX = 100;
/** Most elements of a list. */
const LIST_MAX = 100_000;

/** One JSON object and the name of its document. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #what: string;

  private constructor(values: Readonly<Record<string, unknown>>, what: string) {
    this.#values = values;
    this.#what = what;
  }

  /** The object that `bytes` hold. Errors: `invalid`, `exhausted` above `maxBytes`. */
  static parse(bytes: Uint8Array, what: string, maxBytes: number): Fields {
    return Fields.#of(parseJson(bytes, what, maxBytes), what);
  }

  /** The list of objects that `bytes` hold. Errors: as `parse`. */
  static parseList(bytes: Uint8Array, what: string, maxBytes: number): readonly Fields[] {
    const value = parseJson(bytes, what, maxBytes);
    if (!Array.isArray(value)) throw refusal(what, 'it is not a list');
    return value.map((item: unknown) => Fields.#of(item, what));
  }

  static #of(value: unknown, what: string): Fields {
    if (!isObject(value)) throw refusal(what, 'it is not an object');
    return new Fields(value, what);
  }

  /** `Cannot use <document>: <why>`. */
  refuse(why: string): EngineError {
    return refusal(this.#what, why);
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  names(): readonly string[] {
    return Object.keys(this.#values);
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name);
  }

  optionalText(name: string): string | undefined {
    const value = this.#get(name);
    if (value !== undefined && typeof value !== 'string') throw this.refuse(`${name} is not text`);
    return value;
  }

  number(name: string): number {
    return this.optionalNumber(name) ?? this.#missing(name);
  }

  optionalNumber(name: string): number | undefined {
    const value = this.#get(name);
    if (value !== undefined && typeof value !== 'number')
      throw this.refuse(`${name} is not a number`);
    return value;
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#get(name);
    if (value !== undefined && typeof value !== 'boolean')
      throw this.refuse(`${name} is not true or false`);
    return value;
  }

  object(name: string): Fields {
    return this.optionalObject(name) ?? this.#missing(name);
  }

  optionalObject(name: string): Fields | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.refuse(`${name} is not an object`);
    return new Fields(value, this.#what);
  }

  objects(name: string, maxCount: number): readonly Fields[] {
    const list = this.optionalObjects(name) ?? this.#missing(name);
    if (list.length > maxCount)
      throw new EngineError(
        'exhausted',
        `Cannot use ${this.#what}: ${name} has ${list.length} elements, at most ${maxCount} are taken`,
      );
    return list;
  }

  optionalObjects(name: string): readonly Fields[] | undefined {
    return this.#list(name)?.map((item) => {
      if (!isObject(item)) throw this.refuse(`${name} holds something that is not an object`);
      return new Fields(item, this.#what);
    });
  }

  optionalTexts(name: string): readonly string[] | undefined {
    return this.#list(name)?.map((item) => {
      if (typeof item !== 'string') throw this.refuse(`${name} holds something that is not text`);
      return item;
    });
  }

  optionalTextMap(name: string): Readonly<Record<string, string>> | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.refuse(`${name} is not an object`);
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        if (item !== null && typeof item !== 'string')
          throw this.refuse(`${name} holds something that is not text`);
        return [key, item ?? ''];
      }),
    );
  }

  /** Keys of an object whose values mean nothing (`{"80/tcp": {}}`). */
  optionalSet(name: string): Readonly<Record<string, object>> | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.refuse(`${name} is not an object`);
    return Object.fromEntries(Object.keys(value).map((key) => [key, {}]));
  }

  #list(name: string): readonly unknown[] | undefined {
    const value = this.#get(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.refuse(`${name} is not a list`);
    if (value.length > LIST_MAX)
      throw new EngineError(
        'exhausted',
        `Cannot use ${this.#what}: ${name} has more than ${LIST_MAX} elements`,
      );
    return value as readonly unknown[];
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined;
  }

  #missing(name: string): never {
    throw this.refuse(`it has no ${name}`);
  }
}

function parseJson(bytes: Uint8Array, what: string, maxBytes: number): unknown {
  if (bytes.length > maxBytes)
    throw new EngineError(
      'exhausted',
      `Cannot use ${what}: it has ${bytes.length} bytes, the limit is ${maxBytes}`,
    );
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new EngineError('invalid', `Cannot use ${what}: it is not JSON`, { cause });
  }
  checkDepth(value, what);
  return value;
}

/** Level by level, so that no nesting can overflow the stack here or later. */
function checkDepth(value: unknown, what: string): void {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) throw refusal(what, 'it is nested too deeply');
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? (Object.values(item) as readonly unknown[]) : [],
    );
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refusal(what: string, why: string): EngineError {
  return new EngineError('invalid', `Cannot use ${what}: ${why}`);
}

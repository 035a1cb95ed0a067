/**
 * The parts of an image configuration that say how to run it and how it was
 * made, from untrusted JSON.
 *
 * Source: OCI image-spec 1.1.1 config.md; Docker image specification 1.2 for
 * Healthcheck, OnBuild, Shell, ArgsEscaped.
 */
import type { ExecutionConfig, HealthcheckConfig, HistoryEntry } from '../spec/oci/image.ts';
import type { Fields } from './fields.ts';

/** `config` of an image configuration. Errors: `invalid`. */
export function decodeExecutionConfig(fields: Fields): ExecutionConfig {
  const health = fields.optionalObject('Healthcheck');
  const seconds = fields.optionalNumber('StopTimeout');
  const escaped = fields.optionalBoolean('ArgsEscaped');
  return {
    ...whenText(fields, 'User'),
    ...whenSet(fields, 'ExposedPorts'),
    ...whenTexts(fields, 'Env'),
    ...whenTexts(fields, 'Entrypoint'),
    ...whenTexts(fields, 'Cmd'),
    ...whenSet(fields, 'Volumes'),
    ...whenText(fields, 'WorkingDir'),
    ...labelsOf(fields),
    ...whenText(fields, 'StopSignal'),
    ...(health === undefined ? {} : { Healthcheck: decodeHealthcheck(health) }),
    ...whenTexts(fields, 'OnBuild'),
    ...whenTexts(fields, 'Shell'),
    ...(escaped === undefined ? {} : { ArgsEscaped: escaped }),
    ...(seconds === undefined ? {} : { StopTimeout: seconds }),
  };
}

function whenText<Name extends 'User' | 'WorkingDir' | 'StopSignal'>(
  fields: Fields,
  name: Name,
): { readonly [key in Name]?: string } {
  const value = fields.optionalText(name);
  return (value === undefined || value === '' ? {} : { [name]: value }) as {
    readonly [key in Name]?: string;
  };
}

function whenTexts<Name extends 'Env' | 'Entrypoint' | 'Cmd' | 'OnBuild' | 'Shell'>(
  fields: Fields,
  name: Name,
): { readonly [key in Name]?: readonly string[] } {
  const value = fields.optionalTexts(name);
  return (value === undefined ? {} : { [name]: value }) as {
    readonly [key in Name]?: readonly string[];
  };
}

function whenSet<Name extends 'ExposedPorts' | 'Volumes'>(
  fields: Fields,
  name: Name,
): { readonly [key in Name]?: Readonly<Record<string, object>> } {
  const value = fields.optionalSet(name);
  return (value === undefined ? {} : { [name]: value }) as {
    readonly [key in Name]?: Readonly<Record<string, object>>;
  };
}

function labelsOf(fields: Fields): Pick<ExecutionConfig, 'Labels'> {
  const labels = fields.optionalTextMap('Labels');
  return labels === undefined ? {} : { Labels: labels };
}

function decodeHealthcheck(fields: Fields): HealthcheckConfig {
  const test = fields.optionalTexts('Test');
  const numbers = (
    ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const
  ).flatMap((name) => {
    const value = fields.optionalNumber(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...(test === undefined ? {} : { Test: test }), ...Object.fromEntries(numbers) };
}

/** `history` of an image configuration, oldest first. Errors: `invalid`. */
export function decodeHistory(
  entries: readonly Fields[] | undefined,
): readonly HistoryEntry[] | undefined {
  return entries?.map((fields) => {
    const texts = (['created', 'created_by', 'author', 'comment'] as const).flatMap((name) => {
      const value = fields.optionalText(name);
      return value === undefined || value === '' ? [] : [[name, value] as const];
    });
    return {
      ...Object.fromEntries(texts),
      ...(fields.optionalBoolean('empty_layer') === true ? { empty_layer: true } : {}),
    };
  });
}

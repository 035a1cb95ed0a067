/** `carve events`. */

import type { EngineEvent } from '../../../spec/docker/system.ts';
import { formatFixedTimeNs } from '../../../spec/time.ts';
import { defineCommand, type Command } from '../../command.ts';
import { readFilters } from '../../filters.ts';
import { neutraliseCell } from '../../print/safe.ts';
import { compileTemplate } from '../../print/template/template.ts';
import { parseInstant } from '../../time.ts';

/** Prints what happens in the engine until it is interrupted, or until a time. */
export const eventsCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    flags: {
      filter: {
        kind: 'list',
        short: 'f',
        help: 'Print only what fits, e.g. event=die or container=NAME',
      },
      format: { kind: 'string', help: 'Write each event by a template, or as json' },
      since: { kind: 'string', help: 'Begin with what happened since this time' },
      until: { kind: 'string', help: 'End at this time' },
    },
    args: { min: 0, max: 0 },
    examples: [
      'carve events --filter event=die',
      "carve events --since 10m --until 0s --format '{{json .}}'",
    ],
  },
  async ({ client, io }, { flags }) => {
    const template =
      flags.format === ''
        ? undefined
        : compileTemplate(flags.format === 'json' ? '{{json .}}' : flags.format);
    const events = client.system.events({
      since: flags.since === '' ? undefined : parseInstant(flags.since, io.now(), '--since'),
      until: flags.until === '' ? undefined : parseInstant(flags.until, io.now(), '--until'),
      filters: readFilters(flags.filter),
    });
    for await (const event of events) {
      const line = template === undefined ? formatEvent(event) : template.format(fieldsOf(event));
      await io.stdout.write(`${line}\n`);
    }
  },
);

/** Names of docker's templates beside those of the wire. */
function fieldsOf(event: EngineEvent): object {
  return {
    ...event,
    ID: event.Actor.ID,
    Scope: event.scope,
    Time: event.time,
    TimeNano: event.timeNano,
    Status: event.Action,
  };
}

function formatEvent({ timeNano, Type, Action, Actor }: EngineEvent): string {
  const attributes = Object.entries(Actor.Attributes)
    .map(([key, value]) => `${key}=${value}`)
    .toSorted();
  const suffix = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return neutraliseCell(
    `${formatFixedTimeNs(BigInt(timeNano))} ${Type} ${Action} ${Actor.ID}${suffix}`,
  );
}

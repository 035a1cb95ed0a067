/** `carve system gc`. */

import type { GcItem, GcReport } from '../../../spec/image-tree.ts';
import { formatJson } from '../../../client/decode.ts';
import { defineCommand, type Command } from '../../command.ts';
import { shortId } from '../../print/listing.ts';
import { neutraliseJson } from '../../print/safe.ts';
import { formatTable } from '../../print/table.ts';
import { formatExactSize } from '../../print/units.ts';

/** Removes images by the engine's collection policy now, or shows what it would remove. */
export const gcCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS]',
    details:
      'The engine removes images by itself as its file /etc/carve/gc.json says (carve daemon --gc FILE); without that file it removes none. This does it now.',
    flags: {
      plan: { kind: 'bool', help: 'Only show what would be removed, what would stay, and why' },
      'dry-run': { kind: 'bool', help: '', isHidden: true, aliasOf: 'plan' },
      format: { kind: 'string', help: 'Write the report as json', choices: ['json'] },
    },
    args: { min: 0, max: 0 },
    examples: ['carve system gc --plan'],
  },
  async ({ client, io }, { flags }) => {
    const report = await client.images.collect({ isPlan: flags.plan });
    await io.stdout.write(
      flags.format === 'json' ? `${neutraliseJson(formatJson(report, 2))}\n` : formatReport(report),
    );
  },
);

/** The text of a report. */
function formatReport({ IsPlan, Removed, Kept, ReclaimedBytes }: GcReport): string {
  const gone = Removed.map((item) => [
    ...rowOf(item),
    formatExactSize(item.FreesBytes),
    item.Reason,
  ]);
  const stays = Kept.map((item) => [...rowOf(item), '', item.Reason]);
  const heading = [IsPlan ? 'WOULD GO' : 'REMOVED', 'IMAGE ID', 'FREES', 'REASON'];
  const keptHeading = ['STAYS', 'IMAGE ID', '', 'REASON'];
  const parts = [
    ...(gone.length === 0 ? [] : [formatTable([heading, ...gone])]),
    ...(stays.length === 0 ? [] : [formatTable([keptHeading, ...stays])]),
    IsPlan
      ? `This would free ${formatExactSize(ReclaimedBytes)}\n`
      : `Total reclaimed space: ${formatExactSize(ReclaimedBytes)}\n`,
  ];
  return parts.join('\n');
}

function rowOf({ Id, Names }: GcItem): readonly string[] {
  return [Names.length === 0 ? '<none>' : Names.join(', '), shortId(Id)];
}

/** `carve search`. */

import { defineCommand, type Command } from '../../command.ts';
import { readFilters } from '../../filters.ts';
import { printListing, shorten } from '../../print/listing.ts';

/** Searches Docker Hub for images. */
export const searchCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] TERM',
    flags: {
      filter: {
        kind: 'list',
        short: 'f',
        help: 'Show only what fits, e.g. is-official=true or stars=3',
      },
      format: { kind: 'string', help: 'Write each image by a template, or as json' },
      limit: { kind: 'int', help: 'Show at most so many' },
      'no-trunc': { kind: 'bool', help: 'Shorten nothing' },
    },
    args: { min: 1, max: 1 },
  },
  async ({ client, io }, { flags, args }) => {
    const [term = ''] = args;
    const results = await client.images.search(term, {
      limit: flags.limit > 0 ? flags.limit : undefined,
      filters: readFilters(flags.filter),
    });
    const rows = results.map(
      ({ name, description, star_count: stars, is_official: isOfficial }) => {
        const text = description.replace(/[\r\n]+/g, ' ');
        return {
          Description: flags['no-trunc'] ? text : shorten(text, 45),
          IsOfficial: isOfficial ? '[OK]' : '',
          Name: name,
          StarCount: String(stars),
        };
      },
    );
    await printListing(io.stdout, {
      rows,
      headings: {
        Name: 'NAME',
        Description: 'DESCRIPTION',
        StarCount: 'STARS',
        IsOfficial: 'OFFICIAL',
      },
      columns: ['Name', 'Description', 'StarCount', 'IsOfficial'],
      format: flags.format,
    });
  },
);

/** A pull, as several commands do it. */

import type { Client } from '../../client/client.ts';
import {
  formatFamiliar,
  parseReference,
  repositoryOf,
  withDefaultTag,
} from '../../spec/reference.ts';
import type { ClientConfig } from '../config/config.ts';
import type { Output } from '../io.ts';
import { collectProgress, printProgress } from '../print/progress.ts';
import { encodeAuth, findAuth } from './auth.ts';

/** What to pull, and how to tell of it. */
export interface PullRequest {
  /** As the user wrote it. */
  readonly reference: string;
  readonly platform: string;
  readonly isQuiet: boolean;
  readonly isAllTags?: boolean;
  /** Gets the progress. */
  readonly output: Output;
}

/** Pulls an image; gives its familiar name. Throws `invalid` for a bad reference, and what the engine reports. */
export async function pullImage(
  client: Client,
  config: ClientConfig,
  request: PullRequest,
): Promise<string> {
  const parsed = parseReference(request.reference);
  const reference = request.isAllTags === true ? parsed : withDefaultTag(parsed);
  const auth = await findAuth(config, reference.domain);
  const steps = client.images.pull(
    { repository: repositoryOf(reference), tag: reference.digest ?? reference.tag ?? '' },
    {
      platform: request.platform === '' ? undefined : request.platform,
      ...(Object.keys(auth).length === 0 ? {} : { auth: encodeAuth(auth) }),
    },
  );
  if (request.isQuiet) await collectProgress(steps);
  else await printProgress(steps, request.output);
  return formatFamiliar(reference);
}

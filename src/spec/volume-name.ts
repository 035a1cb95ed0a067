/** Names of volumes. Source: Engine API: letters, digits, `_`, `.`, `-`, at least two. */

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

/** What a name is made of, as Docker's messages say it. */
export const VOLUME_NAME_CHARACTERS = '[a-zA-Z0-9][a-zA-Z0-9_.-]';

/** True for a name that is one safe path component. */
export function isVolumeName(text: string): boolean {
  return NAME.test(text);
}

/** A table as it is to be, as messages that make it so in one transaction. Pure. */

import * as nft from '../kernel/nft/message.ts';
import type { Message } from '../kernel/netlink/message.ts';

/** Flags of a table that belongs to the engine, and outlives its socket. */
export const OWNED: number = nft.TABLE_FLAG.owner | nft.TABLE_FLAG.persist;

/** All of a table. */
export interface WholeTable {
  readonly at: nft.TableName;
  readonly sets: readonly nft.SetShape[];
  readonly chains: readonly Message[];
  readonly rules: readonly Message[];
  readonly elements: readonly Message[];
}

/**
 * The engine's own table with all in it, whatever of it is there with the same sets and chains: each of
 * these is either as it was or as it is to be for every packet. Errors: EEXIST for other sets or chains,
 * EOPNOTSUPP for a table that is nobody's own.
 */
export function planInPlace({ at, sets, chains, rules, elements }: WholeTable): readonly Message[] {
  return [
    nft.addTable(at, OWNED),
    ...nft.addSets(at, sets),
    ...chains,
    nft.flushRules(at),
    ...sets.map(({ name }) => nft.flushSet(at, name)),
    ...rules,
    ...elements,
  ];
}

/** The table with all in it, instead of one of the same name. Errors: EINVAL, EOPNOTSUPP for flags that the kernel does not know. */
export function planAnew(
  { at, sets, chains, rules, elements }: WholeTable,
  flags: number,
): readonly Message[] {
  return [
    nft.addTable(at),
    nft.deleteTable(at),
    nft.addTable(at, flags),
    ...nft.addSets(at, sets),
    ...chains,
    ...rules,
    ...elements,
  ];
}

/**
 * The kernel's answer to "which rules has this table" as values: of each rule
 * what it asks of links, and how it ends; the rest by name. Pure; what is
 * malformed is left out.
 *
 * Source: include/uapi/linux/netfilter/nf_tables.h `nft_rule_attributes`, `nft_expr_attributes`.
 */

import { decodeAttributes, decodeList, payloadsOf } from '../netlink/message.ts';
import { number32, textOf } from './chains.ts';

/** A rule of a table. */
export interface FoundRule {
  readonly chain: string;
  /** The kernel's number for it. */
  readonly handle: bigint;
  readonly steps: readonly RuleStep[];
}

/** One step of a rule. */
export type RuleStep =
  /** Go on when the packet came in (went out) by a link of this name; `isPrefix`: one that begins so. */
  | {
      readonly kind: 'link';
      readonly end: 'iifname' | 'oifname';
      readonly operator: 'eq' | 'neq';
      readonly link: string;
      readonly isPrefix: boolean;
    }
  | {
      readonly kind: 'verdict';
      readonly verdict: 'accept' | 'drop' | 'return' | 'jump' | 'goto' | 'other';
      /** Where `jump` and `goto` lead; else empty. */
      readonly chain: string;
    }
  /** An expression by its name, e.g. `counter`, `match`. */
  | { readonly kind: 'other'; readonly name: string };

const FAMILY_HEADER_BYTES = 4;
const NEW_RULE = (10 << 8) | 6;
const RULE = { chain: 2, handle: 3, expressions: 4 } as const;
const END = { 6: 'iifname', 7: 'oifname' } as const;
const OPERATOR = { 0: 'eq', 1: 'neq' } as const;
const VERDICT = { 0: 'drop', 1: 'accept', [-5]: 'return', [-3]: 'jump', [-4]: 'goto' } as const;

/** An expression before it is understood. */
interface Expression {
  readonly name: string;
  readonly data: ReadonlyMap<number, Uint8Array>;
}

/** Rules of an answer to `listRules`, chain by chain in their order; only of chains that are `wanted`. */
export function decodeRules(
  answer: Uint8Array,
  wanted: (chain: string) => boolean = () => true,
): readonly FoundRule[] {
  return payloadsOf(answer, NEW_RULE).flatMap((payload) => {
    const attributes = decodeAttributes(payload.subarray(FAMILY_HEADER_BYTES));
    const handle = attributes.get(RULE.handle);
    const chain = textOf(attributes.get(RULE.chain));
    if (handle?.length !== 8 || !wanted(chain)) return [];
    const expressions = decodeList(attributes.get(RULE.expressions) ?? new Uint8Array());
    return [
      {
        chain,
        handle: new DataView(handle.buffer, handle.byteOffset, 8).getBigUint64(0, false),
        steps: stepsOf(expressions.map(decodeExpression)),
      },
    ];
  });
}

function decodeExpression(bytes: Uint8Array): Expression {
  const attributes = decodeAttributes(bytes);
  return {
    name: textOf(attributes.get(1)),
    data: decodeAttributes(attributes.get(2) ?? new Uint8Array()),
  };
}

/** The name of a link is loaded by one expression and compared by the next. */
function stepsOf(expressions: readonly Expression[]): readonly RuleStep[] {
  const steps: RuleStep[] = [];
  for (let at = 0; at < expressions.length; at += 1) {
    const [first, second] = [expressions[at], expressions[at + 1]];
    if (first === undefined) break;
    const link = second === undefined ? undefined : linkStep(first, second);
    if (link !== undefined) at += 1;
    steps.push(link ?? verdictStep(first) ?? { kind: 'other', name: first.name });
  }
  return steps;
}

function linkStep(load: Expression, comparison: Expression): RuleStep | undefined {
  if (load.name !== 'meta' || comparison.name !== 'cmp') return undefined;
  const end = valueAt(END, number32(load.data.get(2)));
  const operator = valueAt(OPERATOR, number32(comparison.data.get(2)));
  const name = decodeAttributes(comparison.data.get(3) ?? new Uint8Array()).get(1);
  if (end === undefined || operator === undefined || name === undefined) return undefined;
  return { kind: 'link', end, operator, link: textOf(name), isPrefix: !name.includes(0) };
}

function verdictStep({ name, data }: Expression): RuleStep | undefined {
  if (name !== 'immediate' || number32(data.get(1)) !== 0) return undefined;
  const found = decodeAttributes(data.get(2) ?? new Uint8Array()).get(2);
  const attributes = decodeAttributes(found ?? new Uint8Array());
  const code = number32(attributes.get(1));
  if (code === undefined) return undefined;
  const verdict = valueAt(VERDICT, code | 0) ?? 'other';
  return { kind: 'verdict', verdict, chain: textOf(attributes.get(2)) };
}

function valueAt<V>(values: Readonly<Record<number, V>>, key: number | undefined): V | undefined {
  return key === undefined ? undefined : values[key];
}

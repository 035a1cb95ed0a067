/**
 * A format as a tree. Pure. What Go's templates have and `--format` does not
 * need (`define`, `template`, `block`) is refused by name.
 *
 * Source: Go `text/template`, "Actions", "Pipelines", "Variables".
 */

import { formatError, lexTemplate, type Segment, type Token } from './lexer.ts';

/** A part of a template. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: Pipe }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipe;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    }
  | { readonly kind: 'break' | 'continue' };

/** Commands whose results feed each other, and the variables the last result goes to. */
export interface Pipe {
  readonly variables: readonly string[];
  /** `=` changes variables, `:=` makes them. */
  readonly isAssignment: boolean;
  readonly commands: readonly (readonly [Operand, ...Operand[]])[];
}

/** A value or a function. */
export type Operand =
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'chain'; readonly base: ChainBase; readonly fields: readonly string[] };

/** Where a chain of fields begins. */
export type ChainBase =
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipe };

/** Reads a format. Throws `invalid` with one sentence. */
export function parseTemplate(format: string): readonly Node[] {
  const parser = new BlockParser(lexTemplate(format));
  const { nodes, end } = parser.block();
  if (end !== undefined) throw formatError(`unexpected {{${end}}}`);
  return nodes;
}

/** Depth of blocks and parentheses, so that no format exhausts the stack. */
const depthMax = 100;

class BlockParser {
  readonly #segments: readonly Segment[];
  #at = 0;
  #depth = 0;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /** Nodes up to an `end` or `else`, whose word (and what follows `else`) it gives. */
  block(): {
    readonly nodes: readonly Node[];
    readonly end: string | undefined;
    readonly rest: readonly Token[];
  } {
    const nodes: Node[] = [];
    while (this.#at < this.#segments.length) {
      const segment = this.#segments[this.#at++];
      if (segment === undefined) break;
      if (segment.kind === 'text') {
        nodes.push(segment);
        continue;
      }
      const [first, ...rest] = segment.tokens;
      const word = first?.kind === 'word' ? first.text : '';
      if (word === 'end' || word === 'else') return { nodes, end: word, rest };
      nodes.push(this.#node(word, segment.tokens));
    }
    return { nodes, end: undefined, rest: [] };
  }

  #node(word: string, tokens: readonly Token[]): Node {
    switch (word) {
      case 'if':
      case 'with':
      case 'range':
        return this.#branch(word, tokens.slice(1));
      case 'break':
      case 'continue':
        return { kind: word };
      case 'define':
      case 'template':
      case 'block':
        throw formatError(`{{${word}}} is not supported`);
      default:
        return { kind: 'print', pipe: parsePipe(tokens) };
    }
  }

  #branch(kind: 'if' | 'with' | 'range', tokens: readonly Token[]): Node {
    if (++this.#depth > depthMax) throw formatError('it is nested too deeply');
    const pipe = parsePipe(tokens);
    const body = this.block();
    if (body.end === undefined) throw formatError(`{{${kind}}} has no {{end}}`);
    const otherwise = body.end === 'else' ? this.#otherwise(kind, body.rest) : [];
    this.#depth--;
    return { kind, pipe, body: body.nodes, otherwise };
  }

  #otherwise(kind: 'if' | 'with' | 'range', rest: readonly Token[]): readonly Node[] {
    const [first, ...more] = rest;
    if (first !== undefined) {
      if (first.kind !== 'word' || first.text !== kind || kind === 'range')
        throw formatError('unexpected text after {{else}}');
      return [this.#branch(kind, more)];
    }
    const { nodes, end } = this.block();
    if (end !== 'end') throw formatError(`{{${kind}}} has no {{end}}`);
    return nodes;
  }
}

function parsePipe(tokens: readonly Token[]): Pipe {
  const parser = new PipeParser(tokens);
  const pipe = parser.pipe(0);
  parser.expectEnd();
  return pipe;
}

class PipeParser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  pipe(depth: number): Pipe {
    if (depth > depthMax) throw formatError('it is nested too deeply');
    const declaration = this.#declaration();
    const commands: (readonly [Operand, ...Operand[]])[] = [];
    do commands.push(this.#command(depth));
    while (this.#take('|'));
    return { ...declaration, commands };
  }

  expectEnd(): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) throw formatError(`unexpected "${token.text}" in an action`);
  }

  #declaration(): Pick<Pipe, 'variables' | 'isAssignment'> {
    const start = this.#at;
    const variables: string[] = [];
    while (this.#tokens[this.#at]?.kind === 'variable') {
      variables.push(this.#tokens[this.#at++]?.text ?? '');
      if (this.#take(',')) continue;
      if (this.#take(':=')) return { variables, isAssignment: false };
      if (this.#take('=')) return { variables, isAssignment: true };
      break;
    }
    this.#at = start;
    return { variables: [], isAssignment: false };
  }

  #command(depth: number): readonly [Operand, ...Operand[]] {
    const operands: Operand[] = [];
    for (let operand = this.#operand(depth); operand !== undefined; operand = this.#operand(depth))
      operands.push(operand);
    const [first, ...rest] = operands;
    if (first === undefined) throw formatError('an action has no value');
    return [first, ...rest];
  }

  #operand(depth: number): Operand | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return undefined;
    switch (token.kind) {
      case 'string':
        this.#at++;
        return { kind: 'literal', value: token.text };
      case 'number':
        this.#at++;
        return { kind: 'literal', value: Number(token.text) };
      case 'word':
        this.#at++;
        return wordOperand(token.text);
      case 'dot':
        this.#at++;
        return { kind: 'chain', base: { kind: 'dot' }, fields: this.#fields() };
      case 'field':
        return { kind: 'chain', base: { kind: 'dot' }, fields: this.#fields(true) };
      case 'variable':
        this.#at++;
        return {
          kind: 'chain',
          base: { kind: 'variable', name: token.text },
          fields: this.#fields(),
        };
      case 'mark': {
        if (!this.#take('(')) return undefined;
        const pipe = this.pipe(depth + 1);
        if (!this.#take(')')) throw formatError('a parenthesis is not closed');
        return { kind: 'chain', base: { kind: 'pipe', pipe }, fields: this.#fields() };
      }
    }
  }

  /** The fields glued to what was read; the first one may stand free when it begins the chain. */
  #fields(isStart = false): readonly string[] {
    const fields: string[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      const belongs =
        token?.kind === 'field' && (token.isGlued || (isStart && fields.length === 0));
      if (!belongs) return fields;
      fields.push(token.text);
      this.#at++;
    }
  }

  #take(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'mark' || token.text !== mark) return false;
    this.#at++;
    return true;
  }
}

function wordOperand(word: string): Operand {
  if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
  if (word === 'nil') return { kind: 'literal', value: null };
  return { kind: 'function', name: word };
}

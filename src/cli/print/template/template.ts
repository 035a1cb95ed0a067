/**
 * A format and data as text. Pure: the same data gives the same text. Values
 * are made harmless for a terminal; the format's own text is the user's.
 *
 * Missing names: an unknown field of the top level is an error, as it is
 * nearly always a typing mistake; deeper ones are `<no value>`, as they come
 * and go with the state of things.
 *
 * Source: Go `text/template`.
 */

import { templateFunctions } from './functions.ts';
import { formatError } from './lexer.ts';
import { parseTemplate, type ChainBase, type Node, type Operand, type Pipe } from './parser.ts';
import { formatValue, isRecord, isTruthy, typeName } from './value.ts';

/** A format, read. */
export interface Template {
  /** The text for one value. Throws `invalid` where the format does not fit it. */
  format(data: unknown): string;
}

/** Reads a format; names of functions are checked now. Throws `invalid`. */
export function compileTemplate(format: string): Template {
  const nodes = parseTemplate(format);
  return { format: (data) => new Evaluation(data).run(nodes) };
}

/** Most rounds of all loops of one text. */
const roundsMax = 1_000_000;

type Flow = 'go-on' | 'break' | 'continue';

class Evaluation {
  readonly #root: unknown;
  readonly #scopes: Map<string, unknown>[] = [new Map<string, unknown>()];
  #text = '';
  #rounds = 0;

  constructor(root: unknown) {
    this.#root = root;
    this.#scopes[0]?.set('', root);
  }

  run(nodes: readonly Node[]): string {
    this.#block(nodes, this.#root);
    return this.#text;
  }

  #block(nodes: readonly Node[], dot: unknown): Flow {
    this.#scopes.push(new Map<string, unknown>());
    let flow: Flow = 'go-on';
    for (const node of nodes) {
      flow = this.#node(node, dot);
      if (flow !== 'go-on') break;
    }
    this.#scopes.pop();
    return flow;
  }

  #node(node: Node, dot: unknown): Flow {
    switch (node.kind) {
      case 'text':
        this.#text += node.text;
        return 'go-on';
      case 'print': {
        const value = this.#pipe(node.pipe, dot);
        if (node.pipe.variables.length === 0) this.#text += formatValue(value);
        return 'go-on';
      }
      case 'if':
      case 'with': {
        this.#scopes.push(new Map<string, unknown>());
        const value = this.#pipe(node.pipe, dot);
        const flow = isTruthy(value)
          ? this.#block(node.body, node.kind === 'with' ? value : dot)
          : this.#block(node.otherwise, dot);
        this.#scopes.pop();
        return flow;
      }
      case 'range':
        return this.#range(node, dot);
      case 'break':
      case 'continue':
        return node.kind;
    }
  }

  #range(node: Node & { readonly kind: 'if' | 'with' | 'range' }, dot: unknown): Flow {
    this.#scopes.push(new Map<string, unknown>());
    const items = itemsOf(this.#pipe(node.pipe, dot));
    const [keyName, valueName] = node.pipe.variables;
    let flow: Flow = 'go-on';
    if (items.length === 0) flow = this.#block(node.otherwise, dot);
    for (const [key, item] of items) {
      if (++this.#rounds > roundsMax) throw formatError('it loops too often');
      if (valueName !== undefined) {
        this.#declare(keyName ?? '', key);
        this.#declare(valueName, item);
      } else if (keyName !== undefined) this.#declare(keyName, item);
      if (this.#block(node.body, item) === 'break') break;
    }
    this.#scopes.pop();
    return flow;
  }

  #pipe(pipe: Pipe, dot: unknown): unknown {
    let result: { readonly value: unknown } | undefined;
    for (const command of pipe.commands) result = { value: this.#command(command, dot, result) };
    const value = result?.value;
    for (const name of pipe.variables) {
      if (pipe.isAssignment) this.#assign(name, value);
      else this.#declare(name, value);
    }
    return value;
  }

  #command(
    command: readonly [Operand, ...Operand[]],
    dot: unknown,
    piped: { readonly value: unknown } | undefined,
  ): unknown {
    const [first, ...rest] = command;
    const last = piped === undefined ? [] : [piped.value];
    if (first.kind === 'function') {
      if (first.name === 'and' || first.name === 'or') {
        const values = rest.map((operand) => () => this.#operand(operand, dot));
        return choose(first.name, [...values, ...last.map((value) => () => value)]);
      }
      const found = templateFunctions.get(first.name);
      if (found === undefined) throw formatError(`function "${first.name}" is not defined`);
      return found(...rest.map((operand) => this.#operand(operand, dot)), ...last);
    }
    const value = this.#operand(first, dot);
    const args = [...rest.map((operand) => this.#operand(operand, dot)), ...last];
    if (isMethod(value)) return value(...args);
    if (args.length > 0) throw formatError(`${typeName(value)} takes no arguments`);
    return value;
  }

  #operand(operand: Operand, dot: unknown): unknown {
    switch (operand.kind) {
      case 'literal':
        return operand.value;
      case 'function':
        return this.#command([operand], dot, undefined);
      case 'chain': {
        let value = this.#base(operand.base, dot);
        for (const field of operand.fields) value = this.#field(value, field);
        return value;
      }
    }
  }

  #base(base: ChainBase, dot: unknown): unknown {
    switch (base.kind) {
      case 'dot':
        return dot;
      case 'variable':
        return this.#variable(base.name);
      case 'pipe':
        return this.#pipe(base.pipe, dot);
    }
  }

  #field(value: unknown, name: string): unknown {
    if (value === null || value === undefined) throw formatError(`nothing has no field "${name}"`);
    if (!isRecord(value)) throw formatError(`${typeName(value)} has no field "${name}"`);
    if (Object.hasOwn(value, name)) return value[name];
    if (value === this.#root) {
      throw formatError(
        `there is no field "${name}"; there are ${Object.keys(value).toSorted().join(', ')}`,
      );
    }
    return undefined;
  }

  #variable(name: string): unknown {
    for (const scope of this.#scopes.toReversed()) if (scope.has(name)) return scope.get(name);
    throw formatError(`variable "$${name}" is not defined`);
  }

  #declare(name: string, value: unknown): void {
    this.#scopes.at(-1)?.set(name, value);
  }

  #assign(name: string, value: unknown): void {
    const scope = this.#scopes.toReversed().find((candidate) => candidate.has(name));
    if (scope === undefined) throw formatError(`variable "$${name}" is not defined`);
    scope.set(name, value);
  }
}

/** `and` gives the first empty value or the last, `or` the first that is not empty or the last; the rest is not looked at. */
function choose(name: 'and' | 'or', values: readonly (() => unknown)[]): unknown {
  let value: unknown;
  for (const read of values) {
    value = read();
    if (isTruthy(value) === (name === 'or')) return value;
  }
  return value;
}

function isMethod(value: unknown): value is (...args: readonly unknown[]) => unknown {
  return typeof value === 'function';
}

function itemsOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.map((item: unknown, index) => [index, item] as const);
  if (isRecord(value))
    return Object.keys(value)
      .toSorted()
      .map((key) => [key, value[key]] as const);
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= roundsMax) {
    return Array.from({ length: value }, (_, index) => [index, index] as const);
  }
  throw formatError(`range needs a list or a map, not ${typeName(value)}`);
}

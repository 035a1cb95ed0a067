/** Tree copies without trees: what was asked, and an answer. */

import { cpSync, renameSync, readdirSync, rmSync } from 'node:fs';
import { EngineError } from '../../src/base/error.ts';
import type { DuplicateRequest, TreeCopies } from '../../src/layers/tree-copies.ts';

/** The contract over a directory of the test that stands for what is copied. */
export class FakeCopies implements TreeCopies {
  readonly requests: DuplicateRequest[] = [];
  readonly limits: { readonly directory: string; readonly sizeBytes: number }[] = [];
  /** What every path holds; `undefined`: it is no directory. */
  source: string | undefined;
  /** False: as a file system without project quotas. */
  hasQuotas = true;
  /** Awaited before each copy. */
  beforeCopy: () => Promise<void> = async () => Promise.resolve();

  async duplicate(request: DuplicateRequest): Promise<boolean> {
    this.requests.push(request);
    await this.beforeCopy();
    if (this.source === undefined) return false;
    cpSync(this.source, request.target, { recursive: true });
    return true;
  }

  async merge(from: string, to: string): Promise<void> {
    for (const name of readdirSync(from)) renameSync(`${from}/${name}`, `${to}/${name}`);
    rmSync(from, { recursive: true });
    return Promise.resolve();
  }

  async limit(
    directory: string,
    quota: { readonly projectId: number; readonly sizeBytes: number },
  ): Promise<void> {
    if (!this.hasQuotas)
      throw new EngineError('unsupported', 'quota size requested but no quota support');
    this.limits.push({ directory, sizeBytes: quota.sizeBytes });
    return Promise.resolve();
  }
}

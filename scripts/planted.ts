/** A small project with planted mistakes, for the tests of the checks: a check that cannot fail is a defect. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './tools.ts';

/** A temporary project that has this project's configuration; `await using` or `using` removes it. */
export interface PlantedProject extends Disposable {
  readonly folder: string;
}

/** Makes a project of `files` (path → text) that extends this project's tsconfig. */
export function plantProject(files: Readonly<Record<string, string>>): PlantedProject {
  const folder = mkdtempSync(join(tmpdir(), 'carve-planted-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const config = { extends: join(ROOT, 'tsconfig.json'), include: ['src'] };
  const all = {
    'tsconfig.json': JSON.stringify(config),
    'package.json': '{"type":"module"}',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return {
    folder,
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

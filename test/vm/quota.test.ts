/** Quotas of volumes, on a kernel that has them: ext4 with project quotas, enforced and not. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { ROOT } from '../../scripts/tools.ts';

test('size bounds a volume, with all that is made below it, where project quotas are enforced', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-quota-'));
  try {
    const image = join(folder, 'quota.img');
    writeFileSync(image, '');
    truncateSync(image, 32 * 1024 * 1024);
    execFileSync('mke2fs', [
      '-q',
      '-t',
      'ext4',
      '-O',
      'quota,project',
      '-E',
      'quotatype=prjquota',
      image,
    ]);
    const script = `
mkdir /mnt
mount -o loop,prjquota quota.img /mnt || exit 90
mkdir /mnt/one /mnt/two
./chisel quota /mnt/one 113901568 2097152
./chisel quota /mnt/two 113901569 8388608
mkdir -p /mnt/one/a/b /etc
chmod -R 777 /mnt
# Whoever has CAP_SYS_RESOURCE, as root here and no container by default, is held to no quota.
echo 'user:x:1000:1000::/:/bin/sh' > /etc/passwd
fill() { su user -c "dd if=/dev/zero of=$1 bs=64k count=100" 2>/dev/null; }
fill /mnt/one/a/b/file; echo "one $? $(($(stat -c %s /mnt/one/a/b/file) <= 2097152))"
fill /mnt/two/file; echo "two $?"
umount /mnt
mount -o loop quota.img /mnt
mkdir /mnt/three
./chisel quota /mnt/three 113901570 2097152
umount /mnt
`;
    const { code, output, console } = await runInVm({
      script,
      files: {
        chisel: { kind: 'copy', from: join(ROOT, 'build/chisel') },
        'quota.img': { kind: 'copy', from: image },
      },
    });
    assert.equal(code, 0, `${output}\n${console}`);
    const lines = output.split('\n').filter((line) => line !== '');
    assert.deepEqual(lines.slice(0, 4), ['ok 0', 'ok 0', 'one 1 1', 'two 0']);
    // ESRCH: it is counted, but nobody is held to it.
    assert.match(lines[4] ?? '', /^failed 0 3 quotactl/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

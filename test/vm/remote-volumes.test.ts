/** What few kernels at hand have: volumes on another machine, NFS and SMB, with the kernel of Debian as client and server; VLANs and ipvlan. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm } from '../../scripts/vm/boot.ts';
import { checkoutFiles } from '../../scripts/vm/checkout.ts';

const NFS_MODULES = ['nfsv4', 'nfsd'];
const SMB_MODULES = [
  'cifs',
  'cmac',
  'ccm',
  'gcm',
  'ghash_generic',
  'ctr',
  'sha512_generic',
  'nls_utf8',
];

/**
 * An NFS server without its programs: what mountd would answer the kernel is
 * told beforehand. The client is in a network of its own, with an address where
 * nothing answers: a packet that a dummy link takes is gone.
 */
const SERVERS = `
set -e
# Not the shell's own.
ip() { /usr/sbin/ip "$@"; }
ip netns add client
ip link add server type veth peer name wire netns client
ip address add 192.0.2.1/24 dev server
ip link set server up
ip -n client address add 192.0.2.2/24 dev wire
ip -n client link set wire up
ip -n client link set lo up
ip -n client link add hole type dummy
ip -n client address add 198.51.100.1/24 dev hole
ip -n client link set hole up
mkdir -p /export /share /var/lib/nfs/v4recovery
mount -t tmpfs export /export
mkdir -m 777 /export/sub
echo nfs > /export/sub/file
mount -t nfsd nfsd /proc/fs/nfsd
echo 10 > /proc/fs/nfsd/nfsv4leasetime
echo 10 > /proc/fs/nfsd/nfsv4gracetime
echo '-3 +4.2' > /proc/fs/nfsd/versions
echo 'tcp 2049' > /proc/fs/nfsd/portlist
echo 'nfsd 192.0.2.2 2147483647 all' > /proc/net/rpc/auth.unix.ip/channel
# insecure, no_root_squash, no_subtree_check, fsid=0
echo 'all /export 2147483647 9218 -2 -2 0' > /proc/net/rpc/nfsd.export/channel
echo 'all 1 \\x00000000 2147483647 /export' > /proc/net/rpc/nfsd.fh/channel
echo 2 > /proc/fs/nfsd/threads
echo Y > /proc/fs/nfsd/v4_end_grace || dmesg | tail -5
echo smb > /share/file
cat > /etc/samba/smb.conf <<END
[global]
map to guest = never
log file = /var/log/samba.log
disable netbios = yes
load printers = no
[share]
path = /share
read only = no
force user = root
END
printf 'word\\nword\\n' | smbpasswd -c /etc/samba/smb.conf -s -a root > /dev/null
smbd -D -s /etc/samba/smb.conf
echo '192.0.2.1 files.test' >> /etc/hosts
`;

test('NFS and SMB volumes are mounted, through the network of the host; a server that is away is one clear error; VLANs of parents are made', async () => {
  const { code, output, console } = await runInVm({
    system: 'debian',
    files: checkoutFiles(),
    modules: [...NFS_MODULES, ...SMB_MODULES, '8021q', 'ipvlan'],
    script: `${SERVERS}
NO_COLOR=1 /usr/bin/nsenter --net=/run/netns/client ./bun test --timeout=120000 ./test/vm/inside/remote-volumes.ts ./test/vm/inside/parent-links.ts 2>&1`,
    timeoutMs: 300_000,
    memoryMiB: 2048,
  });
  assert.equal(code, 0, `${output}\n${console}`);
  assert.match(output, /^ 0 fail$/m);
  assert.doesNotMatch(output, /^ [1-9]\d* skip$/m);
});

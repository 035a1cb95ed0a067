/**
 * Flags that describe what a container gets of its host.
 *
 * Source: docker's `run` and `create`, every flag that means something on Linux.
 */

/** Its networks. */
export const networkFlags = {
  network: {
    kind: 'list',
    help: 'Connect to this network; also none, host, container:NAME',
    group: 'Network',
    completes: 'network',
  },
  net: { kind: 'list', help: '', isHidden: true, aliasOf: 'network' },
  'network-alias': {
    kind: 'list',
    help: 'Another name of the container on its network',
    group: 'Network',
  },
  'net-alias': { kind: 'list', help: '', isHidden: true, aliasOf: 'network-alias' },
  publish: {
    kind: 'list',
    short: 'p',
    help: 'Publish a port as [[IP:]HOST:]CONTAINER[/PROTOCOL]; ranges too',
    group: 'Network',
  },
  'publish-all': {
    kind: 'bool',
    short: 'P',
    help: 'Publish every exposed port on a free port of the host',
    group: 'Network',
  },
  expose: { kind: 'list', help: 'Expose a port or a range of ports', group: 'Network' },
  egress: {
    kind: 'string',
    help: 'Let out nothing but what is allowed: deny; or everything: allow',
    group: 'Network',
    choices: ['deny', 'allow'],
  },
  'egress-allow': {
    kind: 'list',
    help: 'Let it reach a name or a network, e.g. *.example.org:443 or 10.0.0.0/8:5432/tcp',
    group: 'Network',
  },
  ip: { kind: 'string', help: 'Use this IPv4 address', group: 'Network' },
  ip6: { kind: 'string', help: 'Use this IPv6 address', group: 'Network' },
  'link-local-ip': { kind: 'list', help: 'Add this link-local address', group: 'Network' },
  'mac-address': { kind: 'string', help: 'Use this MAC address', group: 'Network' },
  dns: { kind: 'list', help: 'Ask this DNS server', group: 'Network' },
  'dns-option': { kind: 'list', help: 'Set an option of the resolver', group: 'Network' },
  'dns-opt': { kind: 'list', help: '', isHidden: true, aliasOf: 'dns-option' },
  'dns-search': {
    kind: 'list',
    help: 'Search names in this domain; . searches none',
    group: 'Network',
  },
  'add-host': {
    kind: 'list',
    help: 'Add HOST:IP to /etc/hosts; host-gateway stands for this machine',
    group: 'Network',
  },
  link: {
    kind: 'list',
    help: 'Make another container known as CONTAINER[:ALIAS] (old style)',
    group: 'Network',
  },
} as const;

/** What it may use. */
export const limitsFlags = {
  memory: { kind: 'bytes', short: 'm', help: 'Limit memory', group: 'Limits' },
  'memory-swap': {
    kind: 'bytes-or-unlimited',
    help: 'Limit memory and swap together; -1 for no limit',
    group: 'Limits',
  },
  'memory-reservation': {
    kind: 'bytes',
    help: 'Memory the container should keep when it is scarce',
    group: 'Limits',
  },
  'memory-swappiness': {
    kind: 'int',
    help: 'How readily to swap, 0 to 100',
    default: -1,
    group: 'Limits',
  },
  cpus: { kind: 'decimal', help: 'Limit to so many CPUs, e.g. 1.5', group: 'Limits' },
  'cpu-shares': {
    kind: 'int',
    short: 'c',
    help: 'Relative weight against others; 1024 is usual',
    group: 'Limits',
  },
  'cpu-period': { kind: 'int', help: 'Period of the CPU quota in microseconds', group: 'Limits' },
  'cpu-quota': { kind: 'int', help: 'Microseconds of CPU in each period', group: 'Limits' },
  'cpu-rt-period': {
    kind: 'int',
    help: 'Period of the real-time quota in microseconds',
    group: 'Limits',
  },
  'cpu-rt-runtime': {
    kind: 'int',
    help: 'Microseconds of real-time CPU in each period',
    group: 'Limits',
  },
  'cpuset-cpus': { kind: 'string', help: 'Use only these CPUs, e.g. 0-3,5', group: 'Limits' },
  'cpuset-mems': { kind: 'string', help: 'Use only these memory nodes', group: 'Limits' },
  'pids-limit': {
    kind: 'int',
    help: 'Limit the number of processes; -1 for no limit',
    group: 'Limits',
  },
  ulimit: {
    kind: 'list',
    help: 'Set a limit of each process as NAME=SOFT[:HARD]',
    group: 'Limits',
  },
  'blkio-weight': {
    kind: 'int',
    help: 'Relative weight of disk access, 10 to 1000',
    group: 'Limits',
  },
  'blkio-weight-device': {
    kind: 'list',
    help: 'Weight for one device as PATH:WEIGHT',
    group: 'Limits',
  },
  'device-read-bps': {
    kind: 'list',
    help: 'Limit reading from a device as PATH:BYTES a second',
    group: 'Limits',
  },
  'device-write-bps': {
    kind: 'list',
    help: 'Limit writing to a device as PATH:BYTES a second',
    group: 'Limits',
  },
  'device-read-iops': {
    kind: 'list',
    help: 'Limit reads from a device as PATH:COUNT a second',
    group: 'Limits',
  },
  'device-write-iops': {
    kind: 'list',
    help: 'Limit writes to a device as PATH:COUNT a second',
    group: 'Limits',
  },
  'oom-kill-disable': {
    kind: 'bool',
    help: 'Do not kill when memory runs out (cgroup v1 only)',
    group: 'Limits',
  },
  'oom-score-adj': {
    kind: 'int',
    help: 'How likely to be killed when memory runs out, -1000 to 1000',
    group: 'Limits',
  },
  'cgroup-parent': { kind: 'string', help: 'Put the container below this cgroup', group: 'Limits' },
  'kernel-memory': { kind: 'bytes', help: '', isHidden: true },
} as const;

/** How it is kept apart. */
export const securityFlags = {
  privileged: {
    kind: 'bool',
    help: 'Give the container everything root on this machine may do',
    group: 'Isolation',
  },
  'cap-add': { kind: 'list', help: 'Add a capability, or ALL', group: 'Isolation' },
  'cap-drop': { kind: 'list', help: 'Take away a capability, or ALL', group: 'Isolation' },
  'security-opt': {
    kind: 'list',
    help: 'Set seccomp=FILE, apparmor=PROFILE, label=…, no-new-privileges, systempaths=unconfined',
    group: 'Isolation',
  },
  device: {
    kind: 'list',
    help: 'Give a device as HOST[:CONTAINER[:rwm]]',
    group: 'Isolation',
    completes: 'file',
  },
  'device-cgroup-rule': {
    kind: 'list',
    help: 'Allow devices by rule, e.g. c 1:3 rwm',
    group: 'Isolation',
  },
  gpus: {
    kind: 'list',
    help: 'Give GPUs: all, a number, or device=…,capabilities=…',
    group: 'Isolation',
  },
  sysctl: {
    kind: 'map',
    help: 'Set a kernel parameter of the container as NAME=VALUE',
    group: 'Isolation',
  },
  userns: {
    kind: 'string',
    help: 'User namespace; host for that of this machine',
    group: 'Isolation',
  },
  pid: { kind: 'string', help: 'Process namespace: host or container:NAME', group: 'Isolation' },
  ipc: {
    kind: 'string',
    help: 'IPC namespace: private, shareable, host, none or container:NAME',
    group: 'Isolation',
  },
  uts: {
    kind: 'string',
    help: 'Host name namespace: host or container:NAME',
    group: 'Isolation',
  },
  cgroupns: { kind: 'string', help: 'Cgroup namespace: private or host', group: 'Isolation' },
} as const;

/** Packets all the time, from one network to others, and how many of them arrive. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onHost } from './lan.ts';

/** To which they go. */
export const FLOOD_PORT = 9999;

/** Datagrams to every ADDRESS in turn, some thousand a second, until somebody kills it. */
const FLOOD = String.raw`
  use Socket qw(:all);
  my ($port, @to) = @ARGV;
  my @ways = map {
    my $six = /:/;
    socket(my $s, $six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0) or die $!;
    [$s, $six ? pack_sockaddr_in6($port, inet_pton(AF_INET6, $_)) : pack_sockaddr_in($port, inet_aton($_))];
  } @to;
  $| = 1;
  for (my $i = 0; ; $i++) {
    for (@ways) { send($_->[0], 'x', 0, $_->[1]); }
    print "ready\n" if $i == 10;
    select(undef, undef, undef, 0.0003);
  }
`;

/** Sends from a place until it is disposed. */
export async function flood(
  entering: readonly string[],
  ...to: readonly string[]
): Promise<AsyncDisposable> {
  const [program = 'perl', ...words] = [
    ...entering,
    'perl',
    '-e',
    FLOOD,
    String(FLOOD_PORT),
    ...to,
  ];
  const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await once(child, 'close');
    },
  };
}

/** Counts the datagrams that come to a place, before any other rule sees them. */
export function countAt(entering: readonly string[]): () => number {
  const nft = (script: string): string => onHost(`${entering.join(' ')} nft ${script}`);
  nft(`'add table inet seen
       add chain inet seen in { type filter hook prerouting priority -400; }
       add rule inet seen in udp dport ${FLOOD_PORT} counter'`);
  return () => Number(/counter packets (\d+)/.exec(nft('list table inet seen'))?.[1]);
}

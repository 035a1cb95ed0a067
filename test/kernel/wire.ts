/** A program for a container's network namespace that says and hears what busybox cannot: groups, raw frames, MLD. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SOURCE = String.raw`
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const char *what) { perror(what); return 1; }

static int ready(void) { puts("ready"); return fflush(stdout); }

/* Frames from one hardware address, in hex, until one holds "the-end". */
static int hear(const char *mac) {
  unsigned char from[6], frame[2048];
  for (int i = 0; i < 6; i++) from[i] = (unsigned char)strtoul(mac + 3 * i, NULL, 16);
  int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("eth0")};
  if (s < 0 || bind(s, (void *)&at, sizeof at) != 0) return fail("hear");
  ready();
  for (;;) {
    ssize_t n = recv(s, frame, sizeof frame, 0);
    if (n < 0) return fail("recv");
    if (n < 14 || memcmp(frame + 6, from, 6) != 0) continue;
    for (ssize_t i = 0; i < n; i++) printf("%02x", frame[i]);
    puts("");
    fflush(stdout);
    if (memmem(frame, (size_t)n, "the-end", 7)) return 0;
  }
}

/* One datagram of a group, or of any broadcast. */
static int receive(const char *group, unsigned short port) {
  char text[256] = "";
  int six = strchr(group, ':') != NULL, one = 1;
  int s = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct ipv6_mreq join6 = {.ipv6mr_interface = if_nametoindex("eth0")};
  struct ip_mreqn join = {.imr_ifindex = (int)if_nametoindex("eth0")};
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (six ? bind(s, (void *)&at6, sizeof at6) : bind(s, (void *)&at, sizeof at)) return fail("bind");
  inet_pton(six ? AF_INET6 : AF_INET, group, six ? (void *)&join6.ipv6mr_multiaddr : (void *)&join.imr_multiaddr);
  if (six ? setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join6, sizeof join6)
          : (ntohl(join.imr_multiaddr.s_addr) >> 28 == 14 && setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join)))
    return fail("join");
  ready();
  if (recv(s, text, sizeof text - 1, 0) < 0) return fail("recv");
  puts(text);
  return 0;
}

static int say(const char *to, unsigned short port, const char *text) {
  int six = strchr(to, ':') != NULL, one = 1;
  int s = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_scope_id = if_nametoindex("eth0")};
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct ip_mreqn by = {.imr_ifindex = (int)if_nametoindex("eth0")};
  int by6 = by.imr_ifindex;
  inet_pton(six ? AF_INET6 : AF_INET, to, six ? (void *)&at6.sin6_addr : (void *)&at.sin_addr);
  setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  if (six ? setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, &by6, sizeof by6) : setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof by))
    return fail("interface");
  if (sendto(s, text, strlen(text), 0, six ? (void *)&at6 : (void *)&at, six ? sizeof at6 : sizeof at) < 0) return fail("sendto");
  return 0;
}

/* An ICMPv6 message of our own to a group. */
static int icmp(const char *to, const void *bytes, size_t count, int hops) {
  unsigned char alert[8] = {0, 0, 5, 2, 0, 0, 1, 0};
  int s = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), by = (int)if_nametoindex("eth0");
  struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_scope_id = (unsigned)by};
  inet_pton(AF_INET6, to, &at.sin6_addr);
  if (setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, &by, sizeof by)) return fail("interface");
  if (setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops)) return fail("hops");
  if (hops == 1 && setsockopt(s, IPPROTO_IPV6, IPV6_HOPOPTS, alert, sizeof alert)) return fail("router alert");
  if (sendto(s, bytes, count, 0, (void *)&at, sizeof at) < 0) return fail("sendto");
  return 0;
}

/* Who listens to what? Answers are asked for within a millisecond. */
static int query(void) {
  unsigned char bytes[28] = {130, [5] = 1, [24] = 2};
  return icmp("ff02::1", bytes, sizeof bytes, 1);
}

/* "This address is mine now." */
static int advertise(const char *address, const char *mac) {
  unsigned char bytes[32] = {136, [4] = 0x20, [24] = 2, [25] = 1};
  inet_pton(AF_INET6, address, bytes + 8);
  for (int i = 0; i < 6; i++) bytes[26 + i] = (unsigned char)strtoul(mac + 3 * i, NULL, 16);
  return icmp("ff02::1", bytes, sizeof bytes, 255);
}

int main(int argc, char **argv) {
  alarm(30);
  if (argc == 3 && !strcmp(argv[1], "hear")) return hear(argv[2]);
  if (argc == 4 && !strcmp(argv[1], "receive")) return receive(argv[2], (unsigned short)atoi(argv[3]));
  if (argc == 5 && !strcmp(argv[1], "say")) return say(argv[2], (unsigned short)atoi(argv[3]), argv[4]);
  if (argc == 2 && !strcmp(argv[1], "query")) return query();
  if (argc == 4 && !strcmp(argv[1], "advertise")) return advertise(argv[2], argv[3]);
  return 2;
}
`;

/** A program that listens. */
export interface Listener {
  /** Its lines so far. */
  readonly heard: readonly string[];
  /** Its lines, when it has ended by itself. Errors: when it failed, or heard nothing for half a minute. */
  readonly lines: Promise<readonly string[]>;
  end(): Promise<void>;
}

/** See the module. */
export class Wire {
  readonly #directory = mkdtempSync(join(tmpdir(), 'carve-wire-'));
  readonly #program = join(this.#directory, 'wire');
  readonly #listeners: Listener[] = [];

  constructor() {
    execFileSync('gcc', ['-O1', '-x', 'c', '-o', this.#program, '-'], { input: SOURCE });
  }

  /** Output of a shell script in the network namespace of process `pid`; `$wire` is the program. */
  in(pid: number, script: string): string {
    const words = ['-t', String(pid), '-n', 'sh', '-ec', script];
    return execFileSync('nsenter', words, {
      encoding: 'utf8',
      env: { ...process.env, wire: this.#program },
    });
  }

  /** Starts the program there; resolves when it listens. */
  async listen(pid: number, ...words: readonly string[]): Promise<Listener> {
    const argv = ['-t', String(pid), '-n', this.#program, ...words];
    const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    const heard: string[] = [];
    const isReady = Promise.withResolvers<undefined>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') isReady.resolve(undefined);
      else heard.push(line);
    });
    void closed.then(() => isReady.reject(new Error(`${words.join(' ')} ended too early`)));
    const lines = closed.then(() => {
      assert.equal(
        child.exitCode,
        0,
        `${words.join(' ')}: ${child.signalCode} ${heard.join('\n')}`,
      );
      return heard;
    });
    lines.catch(() => undefined);
    const listener: Listener = {
      heard,
      lines,
      end: async () => {
        child.kill();
        await closed;
      },
    };
    this.#listeners.push(listener);
    await isReady.promise;
    return listener;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#listeners.map(async (each) => each.end()));
    rmSync(this.#directory, { recursive: true });
  }
}

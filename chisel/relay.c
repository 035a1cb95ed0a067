/*
 * The monitor's half of the relay, and its process' loop. See relay.h.
 * Source: epoll(7), prctl(2) PR_SET_PDEATHSIG, credentials(7), close_range(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "kernel.h"
#include "monitor.h"
#include "relay-internal.h"
#include "wait.h"

#define NOBODY 65534
#define RETRY_US 1000000u   /* after a relay that did not end by itself, or did not begin */
#define IDLE_US 10000000u   /* a relay that carries nothing ends */
#define LAST_WORDS_MS 50    /* connections of a process that is gone */
#define READY_MAX 16

enum kind { STREAMS, DATAGRAMS, KINDS };

static struct {
  int listeners[KINDS]; /* epoll sets of the sockets; -1: none */
  pid_t pid;            /* 0: nobody is connected */
  int pidfd;
  int life;             /* a pipe; its end tells the process to finish: the other side's, or its own */
  bool is_over;
  int16_t ticket_pid;
  int16_t tickets[KINDS];
  uint64_t retry_us;
} relay = {.listeners = {-1, -1}, .pidfd = -1, .life = -1};

uint8_t relay_buffer[RELAY_BUFFER] __attribute__((aligned(4096)));

static bool is_relayed(const struct reserved_port *port) {
  return port->fd >= 0 && port->target.any.sa_family != AF_UNSPEC;
}

void relay_init(void) {
  for (uint32_t i = 0; i < reserved_port_count; i++) {
    const struct reserved_port *port = &reserved_ports[i];
    if (!is_relayed(port)) continue;
    struct epoll_event event = {.events = EPOLLIN, .data = {.u32 = i}};
    int *set = &relay.listeners[port->protocol == IPPROTO_UDP ? DATAGRAMS : STREAMS];
    if (*set < 0) *set = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(*set, EPOLL_CTL_ADD, port->fd, &event);
  }
}

/* ---- its process ----------------------------------------------------------------------- */

/* The lowest descriptor from `from` on that it needs, INT_MAX after the last. */
static int next_kept(int from) {
  int next = relay.life >= from ? relay.life : INT_MAX;
  for (uint32_t i = 0; i < KINDS; i++) {
    if (relay.listeners[i] >= from && relay.listeners[i] < next) next = relay.listeners[i];
  }
  for (uint32_t i = 0; i < reserved_port_count; i++) {
    int fd = is_relayed(&reserved_ports[i]) ? reserved_ports[i].fd : -1;
    if (fd >= from && fd < next) next = fd;
  }
  return next;
}

/* As the monitor's, with its own first word: whoever ends that one by its name means that one. */
static void set_title(void) {
  char title[sizeof monitor.title] = "carve-relay";
  const char *id = strchr(monitor.title, ' ');
  if (id != NULL) strncat(title, id, 64);
  monitor_set_title(title, "carve-relay");
}

/* 0 is the null device already. */
static int shed_descriptors(void) {
  if (dup2(0, 1) < 0 || dup2(0, 2) < 0) return -1;
  for (int from = 3;;) {
    int kept = next_kept(from);
    if (kept > from && sys_close_range((unsigned)from, (unsigned)kept - 1u, 0) < 0) return -1;
    if (kept == INT_MAX) return 0;
    from = kept + 1;
  }
}

/* No right and no user of the host's stays; what is bound is bound. */
static int shed_rights(pid_t parent) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  bool is_root = geteuid() == 0;
  if (is_root && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)) return -1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return -1;
  /* A change of the user forgets it: last. */
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return -1;
  return getppid() == parent ? 0 : -1;
}

static void receive_all(enum kind kind) {
  struct epoll_event ready[READY_MAX];
  int count = epoll_wait(relay.listeners[kind], ready, READY_MAX, 0);
  for (int i = 0; i < count; i++) {
    uint32_t index = ready[i].data.u32;
    if (kind == STREAMS) streams_accept(&reserved_ports[index]);
    else datagrams_receive(index);
  }
}

static _Noreturn void run(pid_t parent) {
  uint64_t idle_us = monotonic_us() + IDLE_US;
  bool is_finishing = false;
  set_title();
  if (shed_descriptors() < 0 || shed_rights(parent) < 0) _exit(1);
  streams_init();
  datagrams_init();
  for (;;) {
    wait_begin();
    bool is_busy = streams_wait();
    is_busy |= datagrams_wait() && !is_finishing;
    if (is_busy) idle_us = wait_now_us() + IDLE_US;
    else if (is_finishing || wait_now_us() >= idle_us) _exit(0);
    else wait_until_us(idle_us);
    int16_t life = is_finishing ? -1 : wait_for(relay.life, POLLIN);
    int16_t connections = !is_finishing && streams_may_accept() ? wait_for(relay.listeners[STREAMS], POLLIN) : -1;
    int16_t datagrams = is_finishing ? -1 : wait_for(relay.listeners[DATAGRAMS], POLLIN);
    wait_run();
    if (wait_result(life) != 0) is_finishing = true;
    streams_serve();
    datagrams_serve();
    if (wait_result(connections) != 0) receive_all(STREAMS);
    if (wait_result(datagrams) != 0) receive_all(DATAGRAMS);
  }
}

/* ---- the monitor's half ---------------------------------------------------------------- */

static void begin(void) {
  pid_t parent = getpid();
  int ends[2];
  relay.retry_us = wait_now_us() + RETRY_US;
  /* The last exec has sent our children to where its own is. */
  AUTO_FD int self = sys_pidfd_open(parent);
  if (self < 0 || setns(self, CLONE_NEWPID) < 0 || pipe2(ends, O_CLOEXEC) < 0) return;
  AUTO_FD int theirs = ends[0];
  AUTO_FD int ours = ends[1];
  pid_t pid = fork();
  if (pid == 0) {
    relay.life = theirs;
    run(parent);
  }
  if (pid < 0) return;
  relay.pid = pid;
  relay.pidfd = sys_pidfd_open(pid);
  relay.life = fd_take(&ours);
}

static void bury(void) {
  int status = 0;
  while (waitpid(relay.pid, &status, 0) < 0 && errno == EINTR) continue;
  fd_cleanup(&relay.pidfd);
  fd_cleanup(&relay.life);
  relay.pidfd = relay.life = -1;
  relay.pid = 0;
  relay.retry_us = status == 0 ? 0 : wait_now_us() + RETRY_US;
}

static void kill_process(void) {
  if (relay.pid == 0) return;
  kill(relay.pid, SIGKILL);
  bury();
}

void relay_wait(void) {
  relay.ticket_pid = relay.tickets[STREAMS] = relay.tickets[DATAGRAMS] = -1;
  if (relay.pid != 0) {
    relay.ticket_pid = wait_for(relay.pidfd, POLLIN);
  } else if (relay.is_over) {
    return;
  } else if (wait_now_us() < relay.retry_us) {
    wait_until_us(relay.retry_us);
  } else {
    for (uint32_t i = 0; i < KINDS; i++) relay.tickets[i] = wait_for(relay.listeners[i], POLLIN);
  }
}

void relay_serve(void) {
  if (wait_result(relay.ticket_pid) != 0) bury();
  else if (wait_result(relay.tickets[STREAMS]) != 0 || wait_result(relay.tickets[DATAGRAMS]) != 0) begin();
}

void relay_finish(void) {
  relay.is_over = true;
  fd_cleanup(&relay.life);
  relay.life = -1;
}

void relay_end(void) {
  struct pollfd end = {.fd = relay.pidfd, .events = POLLIN};
  if (relay.pid != 0) poll(&end, 1, LAST_WORDS_MS);
  kill_process();
  for (uint32_t i = 0; i < KINDS; i++) {
    fd_cleanup(&relay.listeners[i]);
    relay.listeners[i] = -1;
  }
}

void relay_release(int protocol, const union endpoint *at) {
  /* Its process has the sockets too. */
  kill_process();
  relay.retry_us = 0;
  reserved_port_release(protocol, at);
}

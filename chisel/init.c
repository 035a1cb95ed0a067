/*
 * The tiny init: process 1 of a container that forks the program, hands it the
 * terminal, passes signals on, reaps orphans, and ends with the program's code.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "run.h"

/* Raised by what the process itself did, or about the terminal's job control: not ours to pass on. */
static bool is_private(int number) {
  static const int numbers[] = { SIGCHLD, SIGTTIN, SIGTTOU, SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS };
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    if (numbers[i] == number) return true;
  }
  return false;
}

/* Reap whoever is gone; ends the process when the program is. */
static void reap(pid_t program) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    if (pid == program) _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  }
}

static _Noreturn void pass_signals(pid_t program, const sigset_t *all) {
  for (;;) {
    int number = sigwaitinfo(all, NULL);
    if (number == SIGCHLD) reap(program);
    else if (number > 0 && !is_private(number)) kill(program, number);
  }
}

/* Its own process group, in the foreground where there is a terminal; SIGTTOU is blocked. */
static void take_terminal(void) {
  setpgid(0, 0);
  if (isatty(STDIN_FILENO)) tcsetpgrp(STDIN_FILENO, getpid());
}

int init_fork(struct run *run) {
  sigset_t all;
  sigfillset(&all);
  /* From here to the wait no signal gets lost: blocked ones stay pending, process 1's too. */
  if (sigprocmask(SIG_SETMASK, &all, NULL) < 0) return run_failed(run, CALL_FORK);
  pid_t program = fork();
  if (program < 0) return run_failed(run, CALL_FORK);
  if (program == 0) {
    take_terminal();
    return 0;
  }
  /* The program's copy of the socket alone decides how the spawn ends. */
  close(run->parent);
  slots_close(run->slots);
  if (sys_close_range(3, ~0u, 0) < 0) {
    /* The container's filter may not know the call; left open, the monitor's ends of the streams would never end. */
    for (int fd = 3; fd < 1024; fd++) close(fd);
  }
  host_release_frames();
  prctl(PR_SET_NAME, "init", 0, 0, 0);
  pass_signals(program, &all);
}

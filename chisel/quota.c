/*
 * A bound for all that will be in a directory: a project of its own, which what
 * is made in there inherits, and that project's limit.
 * Source: quotactl(2) quotactl_fd, ioctl FS_IOC_FSSETXATTR, linux/dqblk_xfs.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chisel.h"
#include "duplicate.h"
#include "kernel.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#define BLOCK_BYTES 1024u /* what limits are counted in */

static long quota(int fd, unsigned command, uint32_t id, void *data) {
  return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data);
}

static int limit(int dir, uint32_t id, uint64_t size, const char **call) {
  struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };
  struct if_dqblk bound = { .dqb_valid = QIF_BLIMITS };
  struct fsxattr attributes;
  *call = "quotactl";
  if (quota(dir, Q_XGETQSTATV, 0, &state) < 0) return errno;
  if ((state.qs_flags & FS_QUOTA_PDQ_ENFD) == 0) return ESRCH;
  *call = "FS_IOC_FSGETXATTR";
  if (syscall(SYS_ioctl, dir, FS_IOC_FSGETXATTR, &attributes) < 0) return errno;
  attributes.fsx_projid = id;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  *call = "FS_IOC_FSSETXATTR";
  if (syscall(SYS_ioctl, dir, FS_IOC_FSSETXATTR, &attributes) < 0) return errno;
  bound.dqb_bhardlimit = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
  *call = "quotactl";
  return quota(dir, Q_SETQUOTA, id, &bound) < 0 ? errno : 0;
}

int quota_main(int argc, char **argv) {
  const char *call = "open";
  if (argc != 4) return 2;
  AUTO_FD int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  uint32_t id = (uint32_t)strtoul(argv[2], NULL, 10);
  int error = dir < 0 ? errno : limit(dir, id, strtoull(argv[3], NULL, 10), &call);
  return duplicate_answer(0, error, call, "");
}

/*
 * Netlink: messages as the plan has them, and what answers them.
 * Source: netlink(7), rtnetlink(7); nfnetlink acknowledges when a batch is done.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "run.h"

#define ANSWER_MAX 65536u      /* bytes of one datagram from the kernel; dumps use 32 KiB */
#define PATCHES_MAX 32u        /* 256 bytes of patches */
#define SEND_BUFFER_MIN 131072u /* messages longer than this need a larger socket buffer */
#define ACKS_MIN 128            /* as many acknowledgements fit into the receive buffer that every socket has */
#define ACK_BYTES 1024          /* what one takes there; the kernel doubles what is asked */
#define WAIT_SECONDS 10

static uint8_t answer[ANSWER_MAX];

int op_netlink_open(struct run *run, const struct op *op) {
  static const int yes = 1;
  static const struct timeval wait = { .tv_sec = WAIT_SECONDS };
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)op_u32(op, F_NETLINK_OPEN_PROTOCOL));
  if (fd < 0) return run_failed(run, CALL_SOCKET);
  /* Acknowledgements without a copy of the request. */
  setsockopt(fd, K_SOL_NETLINK, K_NETLINK_CAP_ACK, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  run_fill(run, op, F_NETLINK_OPEN_SLOT, fd);
  return 0;
}

/* The header at `at` if a whole message is there, its length then a multiple of 4 or all that is left. */
static bool next_message(const uint8_t *at, size_t left, struct k_nlmsghdr *header, size_t *step) {
  if (left < sizeof *header) return false;
  memcpy(header, at, sizeof *header);
  if (header->length < sizeof *header || header->length > left) return false;
  *step = (header->length + 3u) & ~3u;
  if (*step > left) *step = left;
  return true;
}

/* Acknowledgements that `messages` ask for; -1: not messages. */
static int count_acks(const uint8_t *at, size_t left) {
  int count = 0;
  while (left > 0) {
    struct k_nlmsghdr header;
    size_t step;
    if (!next_message(at, left, &header, &step)) return -1;
    if ((header.flags & K_NLM_F_ACK) != 0) count++;
    at += step;
    left -= step;
  }
  return count;
}

/*
 * One datagram; the descriptor numbers of patched slots go where the plan says
 * without a copy of the messages: pieces between them are sent as they are.
 */
static int send_patched(struct run *run, int fd, const uint8_t *bytes, uint32_t size, const struct op *op) {
  struct iovec pieces[2 * PATCHES_MAX + 1];
  int32_t numbers[PATCHES_MAX];
  uint32_t length = 0, at = 0;
  uint16_t count = 0;
  const uint8_t *patches = op == NULL ? NULL : op_bytes(op, F_NETLINK_PATCHES, &length);
  if (length % 8 != 0) return run_error(run, CALL_SENDMSG, EINVAL);
  for (uint32_t i = 0; i < length / 8; i++) {
    uint32_t offset = get_u32(patches + 8 * i), slot = get_u32(patches + 8 * i + 4);
    if (offset < at || offset > size || size - offset < 4 || slot >= SLOT_COUNT) return run_error(run, CALL_SENDMSG, EINVAL);
    numbers[i] = run->slots->fd[slot];
    if (numbers[i] < 0) return run_error(run, CALL_SENDMSG, EBADF);
    pieces[count++] = (struct iovec){ (void *)(uintptr_t)(bytes + at), offset - at };
    pieces[count++] = (struct iovec){ &numbers[i], 4 };
    at = offset + 4;
  }
  pieces[count++] = (struct iovec){ (void *)(uintptr_t)(bytes + at), size - at };
  if (size > SEND_BUFFER_MIN) {
    int room = 2 * (int)size;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  }
  struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };
  return sendmsg(fd, &message, 0) < 0 ? run_failed(run, CALL_SENDMSG) : 0;
}

/* What one datagram of answers says. */
struct outcome {
  int acks;  /* acknowledgements still to come */
  int first; /* errno of the first that failed, 0 */
};

static void take_acks(const uint8_t *at, size_t left, uint32_t ignore, struct outcome *outcome) {
  struct k_nlmsghdr header;
  size_t step;
  for (; next_message(at, left, &header, &step); at += step, left -= step) {
    if (header.type != K_NLMSG_ERROR || header.length < sizeof header + 4) continue;
    int err = -(int)get_u32(at + sizeof header);
    outcome->acks--;
    if (err != 0 && (uint32_t)err != ignore && outcome->first == 0) outcome->first = err;
  }
}

int op_netlink(struct run *run, const struct op *op) {
  int fd = run_slot(run, op, F_NETLINK_SLOT);
  uint32_t size;
  const uint8_t *messages = op_bytes(op, F_NETLINK_MESSAGES, &size);
  struct outcome outcome = { .acks = count_acks(messages, size) };
  if (outcome.acks < 0) return run_error(run, CALL_SENDMSG, EINVAL);
  if (outcome.acks > ACKS_MIN) {
    int room = outcome.acks * ACK_BYTES;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  }
  int err = send_patched(run, fd, messages, size, op);
  if (err < 0) return err;
  /*
   * The kernel answers before sendmsg returns: all there is, is read, so that
   * the next op starts clean; one waits only for what did not come yet.
   */
  for (;;) {
    bool waits = outcome.acks > 0 && outcome.first == 0;
    ssize_t got = recv(fd, answer, sizeof answer, waits ? 0 : MSG_DONTWAIT);
    if (got >= 0) take_acks(answer, (size_t)got, op_u32(op, F_NETLINK_IGNORE), &outcome);
    else if (errno == EAGAIN && !waits) break;
    else if (errno != EINTR) return run_error(run, CALL_RECVMSG, errno == EAGAIN ? ETIMEDOUT : errno);
  }
  return outcome.first != 0 ? run_error(run, CALL_SENDMSG, outcome.first) : 0;
}

/* Answers of a query: errno it ends with, or -1 while it goes on. */
static int end_of_answers(const uint8_t *at, size_t left) {
  struct k_nlmsghdr header = { .flags = K_NLM_F_MULTI };
  size_t step;
  for (; next_message(at, left, &header, &step); at += step, left -= step) {
    if (header.type == K_NLMSG_DONE) return 0;
    if (header.type == K_NLMSG_ERROR && header.length >= sizeof header + 4) return -(int)get_u32(at + sizeof header);
  }
  return (header.flags & K_NLM_F_MULTI) != 0 ? -1 : 0;
}

/* Datagrams until the answer is whole; its length, or -errno of the query. -EFBIG: more than `max`. */
static ssize_t collect(int fd, uint8_t *bytes, size_t max) {
  size_t size = 0;
  for (;;) {
    ssize_t got = recv(fd, answer, sizeof answer, MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? -ETIMEDOUT : -errno;
    if ((size_t)got > sizeof answer) return -EMSGSIZE;
    int end = end_of_answers(answer, (size_t)got);
    bool fits = size <= max && (size_t)got <= max - size;
    if (fits) memcpy(bytes + size, answer, (size_t)got);
    size += (size_t)got;
    if (end > 0) return -end;
    if (end == 0) return size <= max ? (ssize_t)size : -EFBIG;
  }
}

int op_netlink_query(struct run *run, const struct op *op) {
  int fd = run_slot(run, op, F_NETLINK_QUERY_SLOT);
  uint32_t size;
  const uint8_t *message = op_bytes(op, F_NETLINK_QUERY_MESSAGE, &size);
  size_t max = op_u32(op, F_NETLINK_QUERY_MAX_BYTES);
  int err = send_patched(run, fd, message, size, NULL);
  if (err < 0) return err;
  /* Bounded by the schema; pages that are not filled are never there. */
  void *bytes = mmap(NULL, max + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (bytes == MAP_FAILED) return run_failed(run, CALL_MMAP);
  ssize_t got = collect(fd, bytes, max);
  err = got < 0 ? run_emit(run, (int)-got, "", 0) : run_emit(run, 0, bytes, (uint32_t)got);
  munmap(bytes, max + 1);
  return err;
}

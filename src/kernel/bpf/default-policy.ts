/**
 * The system calls that a container may make unless told otherwise, by
 * purpose. What is here was decided call by call: a call that the kernel gains
 * later is refused until someone puts it into a list (a test demands that every
 * known call is in exactly one).
 *
 * Three answers to a refused call: EPERM for what is known and not given,
 * ENOSYS for `clone3` without namespaces rights and for everything unknown or
 * obsolete, so that a C library falls back to an older call.
 *
 * Source: Linux 6.18 system calls; conditions as Docker's default profile has them.
 */

/** Calls that are always allowed. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'reading and writing': words(`
    read write readv writev pread64 pwrite64 preadv preadv2 pwritev pwritev2 lseek _llseek
    open openat openat2 creat close close_range dup dup2 dup3 pipe pipe2 fcntl fcntl64 ioctl flock
    fsync fdatasync sync syncfs sync_file_range sync_file_range2 fallocate
    fadvise64 fadvise64_64 arm_fadvise64_64 readahead truncate truncate64 ftruncate ftruncate64
    copy_file_range sendfile sendfile64 splice tee vmsplice cachestat
    io_setup io_submit io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64
    memfd_create memfd_secret`),
  'names and attributes of files': words(`
    access faccessat faccessat2 chdir fchdir getcwd chmod fchmod fchmodat fchmodat2
    chown chown32 fchown fchown32 fchownat lchown lchown32 link linkat symlink symlinkat
    readlink readlinkat rename renameat renameat2 unlink unlinkat mkdir mkdirat rmdir mknod mknodat
    utime utimes utimensat utimensat_time64 futimesat umask getdents getdents64 readdir
    stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx
    statfs statfs64 fstatfs fstatfs64 name_to_handle_at statmount listmount
    getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr getxattrat setxattrat listxattrat removexattrat`),
  memory: words(`
    brk mmap mmap2 munmap mremap mprotect madvise mincore msync mseal remap_file_pages
    mlock mlock2 mlockall munlock munlockall pkey_alloc pkey_free pkey_mprotect map_shadow_stack
    shmget shmat shmdt shmctl membarrier`),
  processes: words(`
    fork vfork execve execveat exit exit_group wait4 waitid waitpid restart_syscall
    kill tkill tgkill pidfd_open pidfd_send_signal process_mrelease
    getpid getppid gettid getpgid getpgrp getsid setpgid setsid
    set_tid_address set_robust_list get_robust_list set_thread_area get_thread_area
    prctl arch_prctl seccomp rseq getcpu uname sysinfo getrandom times getrusage
    getrlimit ugetrlimit setrlimit prlimit64 getpriority setpriority ioprio_get ioprio_set
    sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam
    sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max
    sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
    ptrace process_vm_readv process_vm_writev uretprobe uprobe modify_ldt
    breakpoint cacheflush set_tls
    landlock_create_ruleset landlock_add_rule landlock_restrict_self`),
  identity: words(`
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32
    getresuid getresuid32 getresgid getresgid32 getgroups getgroups32
    setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32
    setresuid setresuid32 setresgid setresgid32 setgroups setgroups32
    setfsuid setfsuid32 setfsgid setfsgid32 capget capset`),
  signals: words(`
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigaction sigpending
    sigprocmask sigreturn sigsuspend signal signalfd signalfd4 pause alarm`),
  time: words(`
    clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 nanosleep gettimeofday time getitimer setitimer
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 adjtimex clock_adjtime clock_adjtime64`),
  'waiting and notification': words(`
    poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait
    epoll_pwait2 eventfd eventfd2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
    fanotify_mark futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue`),
  sockets: words(`
    socketpair bind listen accept accept4 connect getsockname getpeername getsockopt setsockopt
    send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 shutdown
    socketcall`),
  'System V and POSIX messages': words(`
    ipc semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv msgctl
    mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64
    mq_notify mq_getsetattr`),
};

/** Capability → calls that come with it; without it they are EPERM. */
export const BY_CAPABILITY: Readonly<Record<string, readonly string[]>> = {
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
    move_mount open_tree open_tree_attr perf_event_open quotactl quotactl_fd setdomainname
    sethostname setns syslog umount umount2 unshare`),
  CAP_BPF: ['bpf'],
  CAP_DAC_READ_SEARCH: ['open_by_handle_at'],
  CAP_PERFMON: ['perf_event_open'],
  CAP_SYSLOG: ['syslog'],
  CAP_SYS_BOOT: ['reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: ['delete_module', 'finit_module', 'init_module', 'query_module'],
  CAP_SYS_NICE: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise'],
  CAP_SYS_RAWIO: ['ioperm', 'iopl'],
  CAP_SYS_TIME: ['clock_settime', 'clock_settime64', 'settimeofday', 'stime'],
  CAP_SYS_TTY_CONFIG: ['vhangup'],
};

/** Known calls that no container gets: EPERM. */
export const DENIED: Readonly<Record<string, readonly string[]>> = {
  'another way to make system calls, past this filter': words(`
    io_uring_enter io_uring_register io_uring_setup`),
  'holes that exploits stand on': words(`userfaultfd`),
  'keys are not divided between containers': words(`add_key keyctl request_key`),
  'the whole machine': words(`
    kexec_file_load kexec_load pivot_root swapoff swapon move_pages migrate_pages nfsservctl
    pciconfig_iobase pciconfig_read pciconfig_write`),
  'old and dangerous': words(`
    _sysctl create_module get_kernel_syms sysfs uselib ustat vm86 vm86old`),
};

/** Known calls that are refused as if the kernel had none: ENOSYS. */
export const ABSENT: Readonly<Record<string, readonly string[]>> = {
  'too new to be needed; libraries fall back': words(`
    file_getattr file_setattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr`),
  'replaced long ago': words(`
    bdflush nice oldfstat oldlstat oldolduname oldstat olduname sgetmask ssetmask usr26 usr32
    get_tls`),
  'never implemented': words(`
    afs_syscall break ftime getpmsg gtty idle lock mpx prof profil putpmsg security stty tuxcall
    ulimit vserver`),
};

/** Calls allowed for some arguments; see `default-seccomp.ts`. */
export const BY_ARGUMENT: readonly string[] = ['clone', 'personality', 'socket'];

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/);
}

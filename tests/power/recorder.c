/* Records, in order, what a process does to the files below one directory that a power cut could undo.
 *
 * Preloaded, it stands before the calls of the C library that change files or make changes last. A call on a file
 * below OPENRUN_RECORD_DIR is made and then appended to OPENRUN_RECORD_LOG, both under one lock, so that the order
 * of the records is the order of the calls, over all threads and over all processes that share the log: only then
 * can a sync be believed to cover what stands before it. Calls that fail are not recorded. A call that no record
 * could describe leaves a record of its own, which makes the log unreadable: better no answer than a wrong one.
 *
 * Nothing is remembered between calls. Whether a descriptor is below the directory is read from /proc each time, and
 * a file is told by its inode, so descriptors may be copied, inherited and closed by any means. An inode number is
 * given again only when nobody holds the old file any more; a record of its creation then begins a new file.
 *
 * Files that end in "-shm" are left out: SQLite shares memory through them and never trusts them after a crash.
 * Calls are made as system calls: there is nothing to look up, and so no moment at which it is too early to call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__LP64__)
#error "written for Linux on 64-bit machines"
#endif

enum kind { CREATE = 1, WRITE, TRUNCATE, ALLOCATE, SYNC, SYNC_DIRECTORY, UNLINK, RENAME, REFUSED };

struct record {
    uint32_t magic;
    uint32_t kind;
    uint32_t name_length;
    uint32_t data_length;
    uint64_t inode;
    uint64_t place;
};

static const uint32_t MAGIC = 0x43757421;
static const off_t HERE = -1;
/* Out of reach of programs that close low descriptors by number. */
static const int LOWEST_LOG = 500;

static char log_path[PATH_MAX];
static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* -- the log -- */

static void give_up(const char *why)
{
    dprintf(STDERR_FILENO, "recorder: %s: %s\n", why, strerror(errno));
    abort();
}

static void open_log(void)
{
    int low = (int)syscall(SYS_openat, AT_FDCWD, log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (low < 0) give_up("OPENRUN_RECORD_LOG cannot be opened");
    log_file = fcntl(low, F_DUPFD_CLOEXEC, LOWEST_LOG);
    if (log_file < 0) give_up("no descriptor for the log");
    syscall(SYS_close, low);
}

/* A lock of the open file, which other processes have opened for themselves. */
static void lock_log(short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    while (fcntl(log_file, F_OFD_SETLKW, &lock) < 0)
        if (errno != EINTR) give_up("the log cannot be locked");
}

static void enter(void)
{
    pthread_mutex_lock(&mutex);
    lock_log(F_WRLCK);
}

static void leave(void)
{
    int kept = errno;
    lock_log(F_UNLCK);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

/* A forked child opens the log for itself: what it inherits is its parent's, and so is the lock held on it. */
static void begin_again(void)
{
    syscall(SYS_close, log_file);
    open_log();
    pthread_mutex_init(&mutex, NULL);
}

/* The record and its data, taken from `parts`, in one write. */
static void append(struct record record, const char *name, const struct iovec *parts)
{
    size_t size = sizeof record + record.name_length + record.data_length;
    char *whole = malloc(size), *end = whole + sizeof record;
    if (!whole) give_up("no memory for a record");
    record.magic = MAGIC;
    memcpy(whole, &record, sizeof record);
    if (record.name_length) memcpy(end, name, record.name_length);
    end += record.name_length;
    for (size_t left = record.data_length; left; parts++) {
        size_t part = parts->iov_len < left ? parts->iov_len : left;
        if (part) memcpy(end, parts->iov_base, part);
        end += part;
        left -= part;
    }
    if (syscall(SYS_write, log_file, whole, size) != (long)size) give_up("the log cannot be written");
    free(whole);
}

static void note(enum kind kind, const char *name, uint64_t inode, uint64_t place)
{
    append((struct record){.kind = kind, .name_length = (uint32_t)strlen(name), .inode = inode, .place = place},
           name, NULL);
}

__attribute__((constructor)) static void begin(void)
{
    const char *directory = getenv("OPENRUN_RECORD_DIR"), *path = getenv("OPENRUN_RECORD_LOG");
    if (!directory) return;
    snprintf(log_path, sizeof log_path, "%s", path ? path : "");
    if (!realpath(directory, root)) give_up("OPENRUN_RECORD_DIR cannot be resolved");
    open_log();
    pthread_atfork(enter, leave, begin_again);
    root_length = strlen(root);
}

/* -- what a descriptor is -- */

static int ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

/* The name below the directory ("" is the directory itself), or NULL when it is elsewhere or left out. */
static const char *below(int fd, char path[PATH_MAX])
{
    char link[32];
    int kept = errno;
    if (!root_length || fd < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = kept;
    if (length < 0) return NULL;
    path[length] = 0;
    if (strncmp(path, root, root_length) || (path[root_length] != '/' && path[root_length])) return NULL;
    if (ends_in(path, "-shm") || ends_in(path, "-shm (deleted)")) return NULL;
    return path + root_length + (path[root_length] == '/');
}

/* Asked before any lock is taken, so that calls on other files cost little and may come from anywhere. */
static int is(int fd, mode_t type, struct stat *found)
{
    char path[PATH_MAX];
    int kept = errno;
    int fits = root_length && !fstat(fd, found) && (found->st_mode & S_IFMT) == type && below(fd, path);
    errno = kept;
    return fits;
}

static int recorded(int fd)
{
    struct stat found;
    return is(fd, S_IFREG, &found);
}

static uint64_t inode_of(int fd)
{
    struct stat found;
    if (fstat(fd, &found)) give_up("a file cannot be looked at");
    return found.st_ino;
}

/* -- opening -- */

static int opened(int directory, const char *path, int flags, mode_t mode)
{
    struct stat found;
    char resolved[PATH_MAX];
    const char *name;
    if (!root_length || !(flags & (O_CREAT | O_TRUNC | O_DSYNC)))
        return (int)syscall(SYS_openat, directory, path, flags, mode);
    enter();
    int was_there = !fstatat(directory, path, &found, 0);
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (fd >= 0 && recorded(fd) && (name = below(fd, resolved))) {
        if (!was_there) note(CREATE, name, inode_of(fd), 0);
        if (was_there && flags & O_TRUNC) note(TRUNCATE, "", inode_of(fd), 0);
        if (flags & O_DSYNC) note(REFUSED, "open with O_SYNC or O_DSYNC", 0, 0);
    }
    leave();
    return fd;
}

/* The mode is passed only where a file may be made; reading what was not passed is undefined. */
#define MODE_OF(mode, flags)                                              \
    mode_t mode = 0;                                                      \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {        \
        va_list rest;                                                     \
        va_start(rest, flags);                                            \
        mode = va_arg(rest, mode_t);                                      \
        va_end(rest);                                                     \
    }

int open(const char *path, int flags, ...)
{
    MODE_OF(mode, flags)
    return opened(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    MODE_OF(mode, flags)
    return opened(directory, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What programs call that were compiled with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags) { return opened(AT_FDCWD, path, flags, 0); }
int __openat_2(int directory, const char *path, int flags) { return opened(directory, path, flags, 0); }

/* -- writing -- */

/* On `HERE` the file's own position counts; on files opened with O_APPEND the end does, whatever was asked for. */
static ssize_t written(int fd, const struct iovec *parts, int count, off_t place, int flags)
{
    enter();
    ssize_t done = syscall(SYS_pwritev2, fd, parts, count, place, 0L, flags);
    if (done > 0) {
        if (fcntl(fd, F_GETFL) & O_APPEND || flags & RWF_APPEND)
            place = lseek(fd, 0, SEEK_END) - done;
        else if (place == HERE)
            place = lseek(fd, 0, SEEK_CUR) - done;
        append((struct record){.kind = WRITE, .data_length = (uint32_t)done, .inode = inode_of(fd),
                               .place = (uint64_t)place}, NULL, parts);
    }
    leave();
    return done;
}

ssize_t write(int fd, const void *data, size_t size)
{
    struct iovec part = {(void *)data, size};
    return recorded(fd) ? written(fd, &part, 1, HERE, 0) : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t place)
{
    struct iovec part = {(void *)data, size};
    if (place < 0 || !recorded(fd)) return syscall(SYS_pwrite64, fd, data, size, place);
    return written(fd, &part, 1, place, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return recorded(fd) ? written(fd, parts, count, HERE, 0) : syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t place)
{
    if (place < 0 || !recorded(fd)) return syscall(SYS_pwritev, fd, parts, count, place, 0L);
    return written(fd, parts, count, place, 0);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t place, int flags)
{
    return recorded(fd) ? written(fd, parts, count, place, flags)
                        : syscall(SYS_pwritev2, fd, parts, count, place, 0L, flags);
}

/* -- sizes -- */

int ftruncate(int fd, off_t size)
{
    if (!recorded(fd)) return (int)syscall(SYS_ftruncate, fd, size);
    enter();
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (!done) note(TRUNCATE, "", inode_of(fd), (uint64_t)size);
    leave();
    return done;
}

int truncate(const char *path, off_t size)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int done = ftruncate(fd, size), kept = errno;
    syscall(SYS_close, fd);
    errno = kept;
    return done;
}

int fallocate(int fd, int mode, off_t place, off_t length)
{
    if (!recorded(fd)) return (int)syscall(SYS_fallocate, fd, mode, place, length);
    enter();
    int done = (int)syscall(SYS_fallocate, fd, mode, place, length);
    if (!done && mode & ~FALLOC_FL_KEEP_SIZE) note(REFUSED, "fallocate with a mode", 0, 0);
    else if (!done && !mode) note(ALLOCATE, "", inode_of(fd), (uint64_t)(place + length));
    leave();
    return done;
}

/* Without the C library's way out on file systems that cannot allocate: there it fails. */
int posix_fallocate(int fd, off_t place, off_t length)
{
    int kept = errno, failed = fallocate(fd, 0, place, length) ? errno : 0;
    errno = kept;
    return failed;
}

/* -- making changes last -- */

static int synced(int fd, long call)
{
    struct stat found;
    char path[PATH_MAX];
    const char *name;
    int file = is(fd, S_IFREG, &found);
    if (!file && !is(fd, S_IFDIR, &found)) return (int)syscall(call, fd);
    enter();
    int done = (int)syscall(call, fd);
    if (!done && file) note(SYNC, "", found.st_ino, 0);
    else if (!done && (name = below(fd, path))) note(SYNC_DIRECTORY, name, 0, 0);
    leave();
    return done;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* -- names -- */

/* The directory entry itself, so that its full name and its inode can be asked for; follows no link. */
static int entry(int directory, const char *path)
{
    int kept = errno;
    int fd = root_length ? (int)syscall(SYS_openat, directory, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0) : -1;
    errno = kept;
    return fd;
}

static void drop(int fd)
{
    int kept = errno;
    if (fd >= 0) syscall(SYS_close, fd);
    errno = kept;
}

int unlinkat(int directory, const char *path, int flags)
{
    char old[PATH_MAX];
    const char *name = NULL;
    if (!root_length || flags & AT_REMOVEDIR) return (int)syscall(SYS_unlinkat, directory, path, flags);
    enter();
    int fd = entry(directory, path);
    if (fd >= 0 && recorded(fd)) name = below(fd, old);
    int done = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (!done && name) note(UNLINK, name, inode_of(fd), 0);
    drop(fd);
    leave();
    return done;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int remove(const char *path)
{
    int done = unlinkat(AT_FDCWD, path, 0);
    return done && errno == EISDIR ? unlinkat(AT_FDCWD, path, AT_REMOVEDIR) : done;
}

/* Both names are recorded, with a zero byte between them. */
static void note_renamed(uint64_t inode, const char *from, const char *to)
{
    char both[2 * PATH_MAX];
    size_t first = strlen(from) + 1, second = strlen(to);
    memcpy(both, from, first);
    memcpy(both + first, to, second);
    append((struct record){.kind = RENAME, .name_length = (uint32_t)(first + second), .inode = inode}, both, NULL);
}

int renameat2(int old_directory, const char *old, int new_directory, const char *new, unsigned flags)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    struct stat found;
    if (!root_length) return (int)syscall(SYS_renameat2, old_directory, old, new_directory, new, flags);
    enter();
    int fd = entry(old_directory, old);
    const char *from = below(fd, from_path);
    int done = (int)syscall(SYS_renameat2, old_directory, old, new_directory, new, flags);
    const char *to = below(fd, to_path);
    if (!done && (from || to)) {
        if (from && to && is(fd, S_IFREG, &found) && !(flags & RENAME_EXCHANGE))
            note_renamed(found.st_ino, from, to);
        else
            note(REFUSED, "rename of a directory, of two files for each other, or into or out of here", 0, 0);
    }
    drop(fd);
    leave();
    return done;
}

int renameat(int old_directory, const char *old, int new_directory, const char *new)
{
    return renameat2(old_directory, old, new_directory, new, 0);
}

int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

/* -- what no record describes -- */

static void refuse(const char *call)
{
    enter();
    note(REFUSED, call, 0, 0);
    leave();
}

static void refuse_entry(int directory, const char *path, const char *call)
{
    char resolved[PATH_MAX];
    int fd = entry(directory, path);
    if (below(fd, resolved)) refuse(call);
    drop(fd);
}

int linkat(int old_directory, const char *old, int new_directory, const char *new, int flags)
{
    int done = (int)syscall(SYS_linkat, old_directory, old, new_directory, new, flags);
    if (!done) refuse_entry(new_directory, new, "link");
    return done;
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int symlinkat(const char *target, int directory, const char *path)
{
    int done = (int)syscall(SYS_symlinkat, target, directory, path);
    if (!done) refuse_entry(directory, path, "symlink");
    return done;
}

int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t place)
{
    int shared = (flags & MAP_TYPE) != MAP_PRIVATE && !(flags & MAP_ANONYMOUS);
    if (shared && protection & PROT_WRITE && recorded(fd)) refuse("mmap for writing");
    return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, place);
}

ssize_t sendfile(int to, int from, off_t *place, size_t count)
{
    if (recorded(to)) refuse("sendfile");
    return syscall(SYS_sendfile, to, from, place, count);
}

ssize_t copy_file_range(int from, off_t *from_place, int to, off_t *to_place, size_t length, unsigned flags)
{
    if (recorded(to)) refuse("copy_file_range");
    return syscall(SYS_copy_file_range, from, from_place, to, to_place, length, flags);
}

/* -- the same calls under the names of large files -- */

#define ALSO(name, as) extern __typeof__(name) as __attribute__((alias(#name)))
ALSO(open, open64);
ALSO(openat, openat64);
ALSO(creat, creat64);
ALSO(__open_2, __open64_2);
ALSO(__openat_2, __openat64_2);
ALSO(pwrite, pwrite64);
ALSO(pwritev, pwritev64);
ALSO(pwritev2, pwritev64v2);
ALSO(ftruncate, ftruncate64);
ALSO(truncate, truncate64);
ALSO(fallocate, fallocate64);
ALSO(posix_fallocate, posix_fallocate64);
ALSO(mmap, mmap64);
ALSO(sendfile, sendfile64);

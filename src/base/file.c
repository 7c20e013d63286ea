#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"

/* ---- reading ---- */

static int read_all(int fd, const char *path, size_t maximum, char **ret_data, size_t *ret_size,
                    struct error *error)
{
    char *data = NULL;
    size_t size = 0, capacity = 0;
    int code = OK;
    for (;;) {
        if (!memory_grow(&data, &capacity, size + 64 * 1024 + 1, 1)) {
            code = error_set(error, CODE_MEMORY, "no memory to read %s", path);
            break;
        }
        ssize_t n = read(fd, data + size, capacity - size - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            code = error_set_errno(error, errno, "cannot read %s", path);
            break;
        }
        if (n == 0)
            break;
        size += (size_t)n;
        if (size > maximum) {
            code = error_set(error, CODE_LIMIT, "%s is larger than %zu bytes", path, maximum);
            break;
        }
    }
    if (code) {
        free(data);
        return code;
    }
    data[size] = 0;
    *ret_data = data;
    *ret_size = size;
    return OK;
}

int file_read(const char *path, size_t maximum, char **ret_data, size_t *ret_size, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    int code = read_all(fd, path, maximum, ret_data, ret_size, error);
    close(fd);
    return code;
}

/* ---- writing ---- */

/* The directory that holds path, "." where path has no slash. */
static int parent_of(const char *path, char ret[PATH_MAX], struct error *error)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : slash ? (size_t)(slash - path) : 1;
    if (n >= PATH_MAX)
        return error_set(error, CODE_LIMIT, "a path is longer than %d bytes", PATH_MAX - 1);
    memcpy(ret, slash ? path : ".", n);
    ret[n] = 0;
    return OK;
}

/* Devices and pipes, such as /dev/stdout, cannot be replaced by a rename; they are written directly. */
static bool is_special(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

int file_staging(const char *path, char *ret, size_t ret_size, struct error *error)
{
    struct stat status;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || (stat(path, &status) == 0 && S_ISDIR(status.st_mode)))
        return error_set(error, CODE_INVALID, "cannot write %s: it is a directory, expected a file name",
                         path);
    int n = is_special(path) ? snprintf(ret, ret_size, "%s", path)
                             : snprintf(ret, ret_size, "%.*s.%s.%ld.partial", (int)(name - path), path, name,
                                        (long)getpid());
    if (n < 0 || (size_t)n >= ret_size)
        return error_set(error, CODE_LIMIT, "the path %s is too long", path);
    return OK;
}

static int sync_file(const char *path, int flags, struct error *error)
{
    int fd = open(path, flags | O_CLOEXEC), failed = 0;
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    /* Some file systems cannot flush a directory and say EINVAL; there is nothing else to ask of them. */
    if (fsync(fd) && errno != EINVAL && errno != EROFS)
        failed = errno;
    close(fd);
    return failed ? error_set_errno(error, failed, "cannot flush %s to the disk", path) : OK;
}

int file_sync_directory(const char *path, struct error *error)
{
    return sync_file(path, O_RDONLY | O_DIRECTORY, error);
}

int file_commit(const char *staging, const char *path, struct error *error)
{
    if (strcmp(staging, path) == 0)
        return OK;
    char parent[PATH_MAX];
    int code = parent_of(path, parent, error);
    if (!code)
        code = sync_file(staging, O_RDONLY, error);
    if (!code && rename(staging, path))
        code = error_set_errno(error, errno, "cannot rename %s to %s", staging, path);
    if (!code)
        code = file_sync_directory(parent, error);
    return code;
}

static int write_all(int fd, const char *path, const char *data, size_t size, struct error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(error, errno, "cannot write %s", path);
        done += (size_t)n;
    }
    return OK;
}

int file_write(const char *path, const char *data, size_t size, struct error *error)
{
    char staging[PATH_MAX];
    int code = file_staging(path, staging, sizeof staging, error);
    if (code)
        return code;
    bool direct = strcmp(staging, path) == 0;
    if (!direct)
        file_guard(staging);
    int fd = open(staging, O_WRONLY | O_CREAT | O_CLOEXEC | (direct ? 0 : O_TRUNC), 0666);
    if (fd < 0)
        code = error_set_errno(error, errno, "cannot create %s", path);
    if (!code)
        code = write_all(fd, path, data, size, error);
    if (fd >= 0 && close(fd) && !code)
        code = error_set_errno(error, errno, "cannot write %s", path);
    if (!code)
        code = file_commit(staging, path, error);
    if (code && !direct)
        unlink(staging);
    if (!direct)
        file_forget(staging);
    return code;
}

int file_make_directory(const char *path, struct error *error)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return error_set(error, CODE_INVALID, "'%s' is not a name of a directory", path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++)
        if (part[i] == '/' || part[i] == 0) {
            part[i] = 0;
            if (mkdir(part, 0777) && errno != EEXIST)
                return error_set_errno(error, errno, "cannot create the directory %s", part);
            part[i] = path[i];
        }
    struct stat status;
    if (stat(path, &status))
        return error_set_errno(error, errno, "cannot create the directory %s", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(error, CODE_CONFLICT, "cannot create the directory %s: a file has this name", path);
    return OK;
}

/* ---- guards ---- */

/* A signal handler may run at any instruction, so the table is static and a slot becomes visible by one
 * store. */
enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_READY };
static struct {
    _Atomic int state;
    char path[PATH_MAX];
} slots[LIMIT_STAGED];

void file_guard(const char *staging)
{
    struct stat status;
    size_t n = strlen(staging);
    if (n >= PATH_MAX ||
        (lstat(staging, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
        return;
    for (int i = 0; i < LIMIT_STAGED; i++) {
        int expected = SLOT_FREE;
        if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_TAKEN)) {
            memcpy(slots[i].path, staging, n + 1);
            atomic_store(&slots[i].state, SLOT_READY);
            return;
        }
    }
}

void file_forget(const char *staging)
{
    for (int i = 0; i < LIMIT_STAGED; i++)
        if (atomic_load(&slots[i].state) == SLOT_READY && strcmp(slots[i].path, staging) == 0) {
            atomic_store(&slots[i].state, SLOT_FREE);
            return;
        }
}

void file_clean_up(void)
{
    int before = errno;
    /* Files first, so that a guarded directory is empty when its turn comes. */
    for (int i = 0; i < LIMIT_STAGED; i++)
        if (atomic_load(&slots[i].state) == SLOT_READY)
            unlink(slots[i].path);
    for (int i = LIMIT_STAGED; i-- > 0;)
        if (atomic_load(&slots[i].state) == SLOT_READY)
            rmdir(slots[i].path);
    errno = before;
}

/* ---- SHA-256 ---- */

static void hex_text(const unsigned char *digest, char ret_hex[FILE_SHA256_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < (FILE_SHA256_SIZE - 1) / 2; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[FILE_SHA256_SIZE - 1] = 0;
}

int file_sha256(const char *path, char ret_hex[FILE_SHA256_SIZE], struct error *error)
{
    enum { CHUNK = 1 << 18 };
    int code = OK, fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned char *chunk = malloc(CHUNK);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = chunk && context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    if (!good)
        code = error_set(error, CODE_MEMORY, "no memory to compute the checksum of %s", path);
    while (!code) {
        ssize_t n = read(fd, chunk, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            code = error_set_errno(error, errno, "cannot read %s", path);
        if (n <= 0)
            break;
        EVP_DigestUpdate(context, chunk, (size_t)n);
    }
    if (!code && EVP_DigestFinal_ex(context, digest, NULL) != 1)
        code = error_set(error, CODE_INTERNAL, "libcrypto cannot compute the checksum of %s", path);
    if (!code)
        hex_text(digest, ret_hex);
    EVP_MD_CTX_free(context);
    free(chunk);
    close(fd);
    return code;
}

void file_sha256_bytes(const void *data, size_t size, char ret_hex[FILE_SHA256_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    int good = EVP_Digest(data, size, digest, NULL, EVP_sha256(), NULL);
    assert(good == 1);
    (void)good;
    hex_text(digest, ret_hex);
}

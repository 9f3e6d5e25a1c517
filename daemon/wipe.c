/* wipe.c - what this process frees is overwritten first: tokens, credentials and resume secrets
 * pass through jansson, hiredis, libuv, OpenSSL, curl and every plugin, and each of them frees what
 * it copied as it is. A core dump or a read beyond a buffer's end must not bring them back.
 *
 * free() and realloc() of the whole process, plugins included, lead here, since the dynamic linker
 * looks into the program first; glibc's own do the work. malloc() and calloc() stay glibc's. Only
 * what is freed is covered: memory that lives on is wiped by who owns it (mu_buffer_clear(), the
 * reader of replies, the input of a connection). Left out of builds with sanitizers, which have a
 * free() of their own. Its price: docs/SECURITY.md.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* What free() and realloc() are called in glibc where a program replaces them; part of its ABI. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
extern void __libc_free(void *memory);
extern void *__libc_realloc(void *memory, size_t size);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

void free(void *memory) {
    if (memory != NULL) {
        explicit_bzero(memory, malloc_usable_size(memory));
        __libc_free(memory);
    }
}

/* From this size on every block is a mapping of its own, which is moved without a copy, and goes
 * back to the kernel. glibc would raise the bound by itself. Below it, memory is kept: a list of a
 * thousand members spent half of its time on getting pages and giving them back. */
#define MAPPED_BYTES (4 * 1024 * 1024)

__attribute__((constructor)) static void fix_the_bounds(void) {
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, 2 * MAPPED_BYTES);
}

/* Never moved by glibc, which would free the old place as it is: what grows is copied here. Not so
 * a mapping: a reply of Redis that grows to megabytes must not be copied and wiped again and again.
 */
void *realloc(void *memory, size_t size) {
    if (memory == NULL) {
        return malloc(size);
    }
    if (size == 0) {
        free(memory);
        return NULL;
    }
    size_t usable = malloc_usable_size(memory);
    if (usable >= MAPPED_BYTES && size >= MAPPED_BYTES) {
        return __libc_realloc(memory, size);
    }
    if (size <= usable) {
        explicit_bzero((char *)memory + size, usable - size);
        return __libc_realloc(memory, size);
    }
    void *moved = malloc(size);
    if (moved != NULL) {
        memcpy(moved, memory, usable);
        free(memory);
    }
    return moved;
}

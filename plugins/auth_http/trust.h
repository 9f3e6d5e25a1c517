/* trust.h - which certificates are trusted, read once.
 *
 * libcurl would read them again for each connection, on the loop: some 50 ms for those of a system.
 */
#ifndef HTTP_TRUST_H
#define HTTP_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>

struct x509_store_st;

/* Those of `pem`; `pem` NULL: the system's. Refers to what it needs of files on its own. NULL:
 * there is no certificate, or one that cannot be read. The caller owns it. */
struct x509_store_st *http_trust_create(const char *pem, size_t length);
/* Clears the pointer; NULL in it is fine. */
void http_trust_destroy(struct x509_store_st **trust);
/* The transfer trusts these and no others; they must live as long as it does. */
bool http_trust_use(CURL *easy, struct x509_store_st *trust);

#endif

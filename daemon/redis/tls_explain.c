/* tls_explain.c - from OpenSSL's codes to what an operator can mend. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include "redis/tls_internal.h"

#define NAMES_SIZE 256

/* What a stranger's certificate says goes into logs: nothing but harmless characters, cut. */
static void add_name(char *out, size_t size, const char *name, size_t length) {
    size_t used = strlen(out);
    if (used + length + 3 > size) {
        if (used + 5 < size && strstr(out, "...") == NULL) {
            memcpy(out + used, " ...", 5);
        }
        return;
    }
    if (used > 0) {
        out[used++] = ',';
        out[used++] = ' ';
    }
    for (size_t i = 0; i < length; i++) {
        bool plain = isalnum((unsigned char)name[i]) || strchr("-_.*:", name[i]) != NULL;
        out[used++] = plain && name[i] != '\0' ? name[i] : '?';
    }
    out[used] = '\0';
}

static void add_address(char *out, size_t size, const ASN1_OCTET_STRING *address) {
    const unsigned char *bytes = ASN1_STRING_get0_data(address);
    char text[48] = "";
    if (ASN1_STRING_length(address) == 4) {
        snprintf(text, sizeof text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    } else if (ASN1_STRING_length(address) == 16) {
        size_t used = 0;
        for (int i = 0; i < 16; i += 2) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%x", i > 0 ? ":" : "",
                                     bytes[i] * 256U + bytes[i + 1]);
        }
    }
    add_name(out, size, text, strlen(text));
}

/* The certificate that was looked at, even if it did not hold. NULL: none came. */
static X509 *peer_certificate(const SSL *ssl) {
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
    return chain != NULL && sk_X509_num(chain) > 0 ? sk_X509_value(chain, 0) : NULL;
}

/* For whom the certificate is, as far as it fits. */
static void list_names(const SSL *ssl, char *out, size_t size) {
    X509 *certificate = peer_certificate(ssl);
    GENERAL_NAMES *names = certificate != NULL
                               ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL)
                               : NULL;
    out[0] = '\0';
    for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        int type = 0;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_DNS) {
            add_name(out, size, (const char *)ASN1_STRING_get0_data(value),
                     (size_t)ASN1_STRING_length(value));
        } else if (type == GEN_IPADD) {
            add_address(out, size, value);
        }
    }
    GENERAL_NAMES_free(names);
}

static enum muster_status explain_certificate(SSL *ssl, const struct mu_tls_story *story,
                                              long result, struct mu_error *error) {
    char names[NAMES_SIZE];
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        list_names(ssl, names, sizeof names);
        return mu_error_set(
            error, MUSTER_UNAVAILABLE,
            "TLS: the server's certificate is not for %s, but for %s; connect to that name, or "
            "say it with redis.tls.server_name (--tls-server-name)",
            story->expected, names[0] != '\0' ? names : "no host name and no address");
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return mu_error_set(
            error, MUSTER_UNAVAILABLE,
            "TLS: the server's certificate, or one that it stands on, has expired; renew "
            "it at the server");
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "TLS: the server's certificate is not valid yet; look at the clocks");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return mu_error_set(
            error, MUSTER_UNAVAILABLE,
            "TLS: the server's certificate is signed by nobody that %s trusts (%s); name the "
            "right CA with redis.tls.ca (--tls-ca)",
            story->ca != NULL ? story->ca : "the system's store",
            X509_verify_cert_error_string(result));
    default:
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "TLS: the server's certificate is refused: %s",
                            X509_verify_cert_error_string(result));
    }
}

static enum muster_status explain(SSL *ssl, const struct mu_tls_story *story,
                                  struct mu_error *error) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    long result = SSL_get_verify_result(ssl);
    if (!story->established && result != X509_V_OK) {
        return explain_certificate(ssl, story, result, error);
    }
    reason = reason != NULL ? reason : "of unknown reason";
    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "TLS: the server demands a client's certificate: give one with "
                            "redis.tls.certificate and redis.tls.key (--tls-cert, --tls-key)");
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return mu_error_set(error, MUSTER_UNAVAILABLE, "TLS: the server refuses the handshake%s",
                            story->certificate ? " (no common cipher, or our certificate)"
                                               : ": perhaps it demands a client's certificate "
                                                 "(redis.tls.certificate, or --tls-cert)");
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return mu_error_set(
            error, MUSTER_UNAVAILABLE,
            "TLS: the server refuses our certificate (%s): it must be valid, for clients, and "
            "signed by a CA that the server trusts",
            reason);
    case SSL_R_WRONG_VERSION_NUMBER:
        return mu_error_set(error, MUSTER_UNAVAILABLE,
                            "TLS: what the server answers is no TLS: does this port speak it?");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return mu_error_set(error, MUSTER_UNAVAILABLE, "TLS: the server has no TLS 1.2 or later");
    default:
        return mu_error_set(error, MUSTER_UNAVAILABLE, "TLS: %s", reason);
    }
}

enum muster_status mu_tls_explain(SSL *ssl, const struct mu_tls_story *story,
                                  struct mu_error *error) {
    enum muster_status status = explain(ssl, story, error);
    ERR_clear_error();
    return status;
}

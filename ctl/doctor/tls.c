/* tls.c - certificates that have expired or soon will, and keys that others can read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "config/tree.h"
#include "doctor/doctor.h"

#define SOON_DAYS 14
#define CERTIFICATES_MAX 1000 /* of one file; a bundle of the world's CAs has some 150 */

struct files {
    struct mu_doctor *doctor;
    size_t looked;
};

static void expiry_text(const X509 *certificate, char *out, size_t size) {
    struct tm at;
    snprintf(out, size, "an unreadable date");
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &at) == 1) {
        strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &at);
    }
}

static void look_at_certificate(struct files *files, const char *key, const char *path,
                                const X509 *certificate) {
    char when[64];
    char subject[200];
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1) {
        return; /* what cannot be read is refused elsewhere */
    }
    expiry_text(certificate, when, sizeof when);
    X509_NAME_oneline(X509_get_subject_name(certificate), subject, (int)sizeof subject);
    if (days < 0 || seconds < 0) {
        mu_doctor_found(files->doctor, "CERTIFICATE_EXPIRED", path, "%s %s: %s expired at %s", key,
                        path, subject, when);
    } else if (days < SOON_DAYS) {
        mu_doctor_found(files->doctor, "CERTIFICATE_EXPIRES", path, "%s %s: %s expires at %s", key,
                        path, subject, when);
    }
}

static void look_at_certificates(struct files *files, const char *key, const char *path) {
    FILE *file = fopen(path, "re");
    size_t count = 0;
    if (file == NULL) {
        mu_doctor_found(files->doctor, "TLS_UNREADABLE", path, "%s %s: %s", key, path,
                        strerror(errno));
        return;
    }
    X509 *certificate = NULL;
    while (count < CERTIFICATES_MAX &&
           (certificate = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        look_at_certificate(files, key, path, certificate);
        X509_free(certificate);
        count++;
    }
    ERR_clear_error(); /* that there are no more is an error to OpenSSL */
    fclose(file);
    if (count == 0) {
        mu_doctor_found(files->doctor, "TLS_UNREADABLE", path,
                        "%s %s: there is no certificate in it (PEM)", key, path);
    }
}

/* Never opened: only who may read it matters here. */
static void look_at_key(struct files *files, const char *key, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0) {
        mu_doctor_found(files->doctor, "TLS_UNREADABLE", path, "%s %s: %s", key, path,
                        strerror(errno));
    } else if ((about.st_mode & S_IRWXO) != 0) {
        mu_doctor_found(files->doctor, "KEY_READABLE", path, "%s %s has mode %04o", key, path,
                        (unsigned)(about.st_mode & 07777));
    }
}

static void look_at(struct files *files, const char *key, const char *path, bool is_key) {
    if (path == NULL || path[0] == '\0') {
        return;
    }
    files->looked++;
    if (is_key) {
        look_at_key(files, key, path);
    } else {
        look_at_certificates(files, key, path);
    }
}

static void look_at_door(struct files *files) {
    static const struct {
        const char *name, *key;
        bool is_key;
    } names[] = {{"certificate", "transport_resp: tls.certificate", false},
                 {"client_ca", "transport_resp: tls.client_ca", false},
                 {"key", "transport_resp: tls.key", true}};
    const struct muster_config *given = NULL;
    if (!mu_doctor_loads(files->doctor, "transport_resp", &given)) {
        return;
    }
    const struct muster_config *tls = mu_tree_get(given, "tls");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct muster_config *path = mu_tree_get(tls, names[i].name);
        look_at(files, names[i].key, path != NULL ? path->text : NULL, names[i].is_key);
    }
}

void mu_check_tls(struct mu_doctor *doctor) {
    struct files files = {.doctor = doctor};
    look_at(&files, "redis.tls.ca", doctor->ctl->tls.ca, false);
    look_at(&files, "redis.tls.certificate", doctor->ctl->tls.certificate, false);
    look_at(&files, "redis.tls.key", doctor->ctl->tls.key, true);
    look_at_door(&files);
    if (files.looked == 0) {
        mu_doctor_need_not(doctor, "no certificate or key is named");
    } else {
        mu_doctor_saw(doctor, "%zu files, valid for %d days and more", files.looked, SOON_DAYS);
    }
}

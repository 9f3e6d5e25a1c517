#include "auth_rules/date.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

/* Reads `digits` digits and moves on; -1: they are not there. */
static int take(const char **at, size_t digits) {
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
    }
    *at += digits;
    return value;
}

static bool take_byte(const char **at, const char *allowed) {
    if (**at == '\0' || strchr(allowed, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

/* In seconds; false: neither Z nor an offset. */
static bool take_offset(const char **at, long *seconds) {
    *seconds = 0;
    if (take_byte(at, "Zz")) {
        return true;
    }
    long sign = **at == '-' ? -1 : 1;
    if (!take_byte(at, "+-")) {
        return false;
    }
    int hours = take(at, 2);
    bool colon = take_byte(at, ":");
    int minutes = colon ? take(at, 2) : -1;
    *seconds = sign * (hours * 3600L + minutes * 60L);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static bool take_time(const char **at, struct tm *when, long *offset) {
    when->tm_hour = take(at, 2);
    bool fine = take_byte(at, ":");
    when->tm_min = fine ? take(at, 2) : -1;
    fine = fine && take_byte(at, ":");
    when->tm_sec = fine ? take(at, 2) : -1;
    if (fine && take_byte(at, ".")) {
        size_t digits = strspn(*at, "0123456789");
        fine = digits > 0;
        *at += digits;
    }
    return fine && when->tm_hour >= 0 && when->tm_hour < 24 && when->tm_min >= 0 &&
           when->tm_min < 60 && when->tm_sec >= 0 && when->tm_sec < 60 && take_offset(at, offset);
}

bool rules_date_read(const char *text, uint64_t *ms) {
    struct tm when = {0};
    long offset = 0;
    const char *at = text;
    int year = take(&at, 4);
    bool fine = year >= 1970 && take_byte(&at, "-");
    int month = fine ? take(&at, 2) : -1;
    fine = fine && month >= 1 && month <= 12 && take_byte(&at, "-");
    int day = fine ? take(&at, 2) : -1;
    fine = fine && day >= 1 && day <= 31;
    if (!fine) {
        return false;
    }
    when.tm_year = year - 1900;
    when.tm_mon = month - 1;
    when.tm_mday = day;
    if (*at != '\0' && (!take_byte(&at, "Tt ") || !take_time(&at, &when, &offset))) {
        return false;
    }
    time_t seconds = timegm(&when);
    /* timegm() turns 30 February into March. */
    if (*at != '\0' || when.tm_mon != month - 1 || when.tm_mday != day || seconds < offset) {
        return false;
    }
    *ms = (uint64_t)(seconds - offset) * 1000;
    return true;
}

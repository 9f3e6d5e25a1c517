/* test.h - cmocka with what it needs included before it. Every test program includes this first. */
#ifndef MT_TEST_H
#define MT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif

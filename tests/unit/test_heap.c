/* The heap of deadlines, against a plain array that is searched from end to end. */
#include "lib/test.h"

#include "base/heap.h"

enum { NODES = 300, STEPS = 60000, KEYS = 97 };

/* The same numbers in each run. */
static uint32_t next_number(uint32_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void expect_same(const struct mu_heap *heap, const struct mu_heap_node nodes[NODES]) {
    const struct mu_heap_node *first = mu_heap_first(heap);
    uint64_t least = UINT64_MAX;
    size_t count = 0;
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].place == 0)
            continue;
        count++;
        least = nodes[i].key < least ? nodes[i].key : least;
        assert_true(nodes[i].place <= heap->count);
        if (heap->nodes == NULL) {
            fail();
            return;
        }
        assert_ptr_equal(heap->nodes[nodes[i].place - 1], &nodes[i]);
    }
    assert_int_equal(heap->count, count);
    if (count == 0)
        assert_null(first);
    else
        assert_int_equal(first->key, least);
}

static void test_random(void **state) {
    static struct mu_heap_node nodes[NODES];
    struct mu_heap heap = {0};
    uint32_t seed = 2463534242U;
    (void)state;
    for (size_t i = 0; i < STEPS; i++) {
        struct mu_heap_node *node = &nodes[next_number(&seed) % NODES];
        /* Fills, then empties, three times. */
        bool fills = i / (STEPS / 6) % 2 == 0;
        bool adds = next_number(&seed) % 8 < (fills ? 7U : 1U);
        if (adds && node->place == 0)
            mu_heap_add(&heap, node, next_number(&seed) % KEYS);
        else if (!adds)
            mu_heap_remove(&heap, node);
        expect_same(&heap, nodes);
    }
    for (uint64_t last = 0; heap.count > 0;) {
        struct mu_heap_node *first = mu_heap_first(&heap);
        assert_true(first->key >= last);
        last = first->key;
        mu_heap_remove(&heap, first);
        expect_same(&heap, nodes);
    }
    mu_heap_deinit(&heap);
}

/* A deadline in the middle whose successor is earlier than its parent: it must rise, not sink. */
static void test_what_takes_the_place_may_rise(void **state) {
    static const uint64_t keys[] = {1, 50, 2, 60, 70, 3, 4, 80, 90, 100, 110, 5};
    struct mu_heap_node nodes[sizeof keys / sizeof *keys] = {{0}};
    struct mu_heap heap = {0};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        mu_heap_add(&heap, &nodes[i], keys[i]);
    mu_heap_remove(&heap, &nodes[7]); /* 80, below 60; the last one, 5, takes its place */
    for (size_t i = 0; i < heap.count; i++)
        assert_true(i == 0 || heap.nodes[(i + 1) / 2 - 1]->key <= heap.nodes[i]->key);
    mu_heap_deinit(&heap);
}

static void test_ends(void **state) {
    struct mu_heap_node nodes[3] = {{0}};
    struct mu_heap heap = {0};
    (void)state;
    assert_null(mu_heap_first(&heap));
    mu_heap_remove(&heap, &nodes[0]); /* in none */
    mu_heap_add(&heap, &nodes[0], UINT64_MAX);
    mu_heap_add(&heap, &nodes[1], 0);
    mu_heap_add(&heap, &nodes[2], UINT64_MAX);
    assert_ptr_equal(mu_heap_first(&heap), &nodes[1]);
    mu_heap_remove(&heap, &nodes[1]);
    mu_heap_remove(&heap, &nodes[1]);
    assert_int_equal(heap.count, 2);
    assert_int_equal(nodes[1].place, 0);
    mu_heap_add(&heap, &nodes[1], 7); /* again, with another key */
    assert_ptr_equal(mu_heap_first(&heap), &nodes[1]);
    mu_heap_deinit(&heap);
    assert_null(mu_heap_first(&heap));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_what_takes_the_place_may_rise),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

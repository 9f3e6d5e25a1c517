/* cases.h - the cases of the contract. */
#ifndef MT_CONTRACT_CASES_H
#define MT_CONTRACT_CASES_H

#include "contract/contract.h"

/* Each with what it shows. */
#define MT_CASES(X)                                                                                \
    X(every_operation)    /* the very answers that the functions give */                           \
    X(repeated_calls)     /* byte for byte */                                                      \
    X(every_read)         /* in the shape of the protocol, profiles untouched */                   \
    X(faulty_requests)    /* unknown operations, numbers of arguments, ids */                      \
    X(refused_requests)   /* what the functions refuse: code, sentence, retry */                   \
    X(large_arguments)    /* up to the limits and beyond */                                        \
    X(strange_bytes)      /* no UTF-8, no request at all */                                        \
    X(a_thousand_at_once) /* each answered once, to its id */                                      \
    X(same_ids)           /* two requesters do not hear each other's answers */                    \
    X(nobody_serves)      /* then somebody does */                                                 \
    X(killed_daemon)      /* and a new one */                                                      \
    X(moved_coordinator)  /* while a client goes on */                                             \
    X(denied)             /* with the reasons of the rules */                                      \
    X(allowed)                                                                                     \
    X(bound_to_instance)                                                                           \
    X(may_not_lead)        /* joins all the same */                                                \
    X(slow_decisions)      /* hold nobody else up */                                               \
    X(no_decision)         /* TIMEOUT */                                                           \
    X(vanished_requesters) /* do no harm */                                                        \
    X(stopped_daemon)      /* ends cleanly with requests pending */

#define MT_CASE_DECLARE(name) void mt_case_##name(void **state);
MT_CASES(MT_CASE_DECLARE)
#undef MT_CASE_DECLARE

#endif

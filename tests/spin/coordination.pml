/* coordination.pml - lease, fencing, detector, suspect, bury, revive, adopt, reap and sweep, as a
 * model that spin looks at in every interleaving.
 *
 * What is atomic here is one function in Redis (daemon/functions); between two of them anything may
 * happen. A daemon may rest between any two of its steps for as long as it likes, which is SIGSTOP;
 * the lease may expire at any moment. Two instances each have one connection in one session; they
 * speak, fall silent, die and come back with a new incarnation.
 *
 *   spin -a coordination.pml && cc -DSAFETY -o pan pan.c && ./pan            assertions
 *   spin -a -DLIVE coordination.pml && cc -DNFAIR=4 -o pan pan.c && ./pan -a -f  the claim
 *
 * Each guarding rule can be taken out; spin must then find the harm that it prevents:
 *   NO_EPOCH        an acquisition does not raise the epoch     two active in one epoch
 *   NO_FENCE        a function does not look at the lease       a write after a later epoch's
 *   NO_SCORE        bury does not compare the score             a speaking instance is buried
 *   NO_INCARNATION  the reaper does not compare incarnations    an adopted member is reaped
 *   NO_SWEEP        who is eligible again is not looked at      a session without a leader for ever
 */

#ifdef LIVE
#define DAEMONS 1
#define BEATS 2  /* heartbeats that an instance still gives */
#define LEASES 1
#define VERDICTS 4 /* then the world is quiet, and what is left must find a leader */
#else
#define DAEMONS 2
#define BEATS 1
#define LEASES 2
#define VERDICTS 1 /* not counted: as many as one likes */
#endif
#define INSTANCES 2
#define INCARNATIONS 2
#define NONE 9

mtype = { absent, up, suspect };

/* ---- what Redis holds ---- */
byte epoch = 0;            /* the last one */
byte holder = NONE;        /* of the lease */
byte lease_epoch = 0;
mtype state[INSTANCES];    /* of the registered incarnation */
byte incarnation[INSTANCES];
byte score[INSTANCES];
byte member[INSTANCES];    /* incarnation that owns the instance's membership; 0: no member */
byte ghost[INSTANCES];     /* buried incarnation that is not reaped yet; 0: none */
byte leader = NONE;
bool leaderless = false;   /* candidates, and none was eligible */

/* ---- what daemons believe ---- */
bool acts[DAEMONS];
byte held_epoch[DAEMONS];

/* ---- to check with ---- */
byte written_epoch = 0;    /* the highest of a fenced write that went through */
bool spoke[INSTANCES];     /* since the verdict under way was formed: by daemon */
bool spoke_b[INSTANCES];

#define live(i) (member[i] != 0 && state[i] != absent && member[i] == incarnation[i])
#define eligible(i) (live(i) && state[i] == up)
#define led (leader != NONE && eligible(leader))
#define somebody (eligible(0) || eligible(1))

inline elect() { /* keeps a leader that may lead */
    if
    :: led -> leaderless = false
    :: !led && eligible(0) -> leader = 0; leaderless = false
    :: !led && !eligible(0) && eligible(1) -> leader = 1; leaderless = false
    :: !led && !somebody ->
        leader = NONE; leaderless = (member[0] != 0 || member[1] != 0)
    fi
}

#ifdef NO_FENCE
#define fenced(d) true
#else
#define fenced(d) (holder == d && lease_epoch == held_epoch[d])
#endif

inline wrote(d) {
    assert(held_epoch[d] >= written_epoch); /* no write after a later epoch's */
    written_epoch = held_epoch[d]
}

/* A fenced function begins: refused, the daemon knows that it has lost. */
inline lost(d) {
    acts[d] = false;
    held_epoch[d] = 0
}

proctype Daemon(byte d) {
    byte i;
    byte seen_score;
    byte seen_incarnation;
    bool seen_suspect;
    byte verdicts = 0;
end:
    do
    /* acquire: only a free lease */
    :: atomic {
        !acts[d] && holder == NONE && epoch < LEASES ->
#ifndef NO_EPOCH
        epoch++;
#else
        if :: epoch == 0 -> epoch = 1 :: else fi;
#endif
        holder = d; lease_epoch = epoch; held_epoch[d] = epoch; acts[d] = true;
        assert(DAEMONS == 1 || !(acts[0] && acts[DAEMONS - 1] &&
                                 held_epoch[0] == held_epoch[DAEMONS - 1]))
       }
    /* release on SIGTERM */
#ifndef LIVE
    :: atomic {
        acts[d] ->
        if :: holder == d && lease_epoch == held_epoch[d] -> holder = NONE :: else fi;
        lost(d)
       }
#endif
    /* a verdict: look, then, any time later, the function */
    :: acts[d] && verdicts < VERDICTS ->
#ifdef LIVE
        verdicts++;
        if :: i = 0 :: i = 1 fi;
#else
        i = 0; /* the instances are alike: one that is judged is enough */
#endif
        atomic {
            seen_score = score[i]; seen_incarnation = incarnation[i];
            seen_suspect = (state[i] == suspect);
            if :: d == 0 -> spoke[i] = false :: else -> spoke_b[i] = false fi
        }
        if
        :: atomic { /* suspect */
            true;
            if
            :: !fenced(d) -> lost(d)
            :: fenced(d) && state[i] == up && incarnation[i] == seen_incarnation &&
               score[i] == seen_score ->
                wrote(d); state[i] = suspect
            :: else
            fi
           }
        :: atomic { /* bury: proposed of one that was seen suspect; its ghost of before is gone */
            seen_suspect;
            if
            :: !fenced(d) -> lost(d)
            :: fenced(d) && state[i] != absent && incarnation[i] == seen_incarnation &&
#ifndef NO_SCORE
               score[i] == seen_score &&
#endif
               ghost[i] == 0 ->
                wrote(d);
                assert(!(d == 0 -> spoke[i] : spoke_b[i])); /* nobody who speaks is buried */
                ghost[i] = incarnation[i]; state[i] = absent
            :: else
            fi
           }
        fi;
        i = 0; seen_score = 0; seen_incarnation = 0; seen_suspect = false
    /* the mover: leadership of who may not lead */
    :: atomic {
        acts[d] && leader != NONE && !led ->
        if :: !fenced(d) -> lost(d) :: else -> wrote(d); elect() fi
       }
    /* the sweep of leaderless sessions */
#ifndef NO_SWEEP
    :: atomic {
        acts[d] && leaderless && somebody ->
        if :: !fenced(d) -> lost(d) :: else -> wrote(d); elect() fi
       }
#endif
    /* the reaper: the look and the removal are two calls */
    :: acts[d] && (ghost[0] != 0 || ghost[1] != 0) ->
        if :: ghost[0] != 0 -> i = 0 :: ghost[1] != 0 -> i = 1 :: else -> i = 0 fi;
        seen_incarnation = ghost[i];
        atomic {
            if
            :: !fenced(d) -> lost(d)
            :: fenced(d) && ghost[i] == seen_incarnation && ghost[i] != 0 ->
                wrote(d);
                if
#ifndef NO_INCARNATION
                :: member[i] == ghost[i] ->
#else
                :: member[i] != 0 ->
#endif
                    assert(member[i] == ghost[i]); /* an adopted member stays */
                    member[i] = 0;
                    if
                    :: leader == i -> leader = NONE; elect()
                    :: else -> leaderless = leaderless && (member[0] != 0 || member[1] != 0)
                    fi
                :: else
                fi;
                ghost[i] = 0
            :: else
            fi;
            i = 0; seen_incarnation = 0
        }
    /* renewal: or the daemon learns that it has lost */
    :: atomic { acts[d] && !(holder == d && lease_epoch == held_epoch[d]) -> lost(d) }
    od
}

#ifndef LIVE
/* The lease of one that was not heard of expires in Redis, whatever its holder believes. */
active proctype Expiry() {
    byte times = 0;
end:
    do
    :: atomic { holder != NONE && times < LEASES -> holder = NONE; times++ }
    :: times == LEASES -> break
    od
}
#endif

#ifdef LIVE
#define alike true
#else
#define alike (i == 0) /* the other one only starts, enters and is there to lead */
#endif

proctype Instance(byte i) {
    byte own = 0;   /* incarnation of this process */
    byte beats = 0;
end:
    do
    /* START with a new incarnation: one that stands is buried, if no ghost is left, else waits */
    :: atomic {
        own < INCARNATIONS && (own == 0 || (alike && state[i] == absent)) ->
        own++;
        incarnation[i] = own; state[i] = up; score[i]++
       }
    /* the process is replaced while its old incarnation stands */
    :: atomic {
        alike && own > 0 && own < INCARNATIONS && state[i] != absent && ghost[i] == 0 ->
        ghost[i] = incarnation[i];
        own++;
        incarnation[i] = own; state[i] = up; score[i]++
       }
    /* ENTER: joins, or adopts what its earlier incarnation left */
    :: atomic {
        own > 0 && state[i] != absent && incarnation[i] == own && member[i] != own ->
        member[i] = own;
        if
        :: leader == NONE && eligible(i) -> leader = i; leaderless = false
        :: leader == NONE && !eligible(i) -> leaderless = true
        :: leader == i && !eligible(i) -> elect()
        :: else
        fi
       }
    /* HEARTBEAT: a suspect is up again */
    :: atomic {
        alike && own > 0 && beats < BEATS && state[i] != absent && incarnation[i] == own ->
        beats++; score[i]++; state[i] = up;
        spoke[i] = true; spoke_b[i] = true
       }
    /* LEAVE */
    :: atomic {
        alike && own == INCARNATIONS && beats == BEATS && live(i) && incarnation[i] == own ->
        member[i] = 0;
        if
        :: leader == i -> leader = NONE; elect()
        :: else -> leaderless = leaderless && (member[0] != 0 || member[1] != 0)
        fi;
        break
       }
    /* and dies, or is silent for ever, at any point */
    :: break
    od
}

init {
    byte n = 0;
    atomic {
        do
        :: n < INSTANCES -> state[n] = absent; n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < DAEMONS -> run Daemon(n); n++
        :: else -> break
        od;
        run Instance(0);
        run Instance(1)
    }
}

#ifdef LIVE
/* Whenever somebody may lead, in the end somebody does who may, or nobody may any more. */
ltl finds { [] (somebody -> <> (!somebody || led)) }
#endif

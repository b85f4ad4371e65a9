/*
 * The lease and log protocol of one generation, for Spin 6.5 (spinroot.com): three workers, one Redis that may lose its
 * tail, one viewer that resumes, a cancel. tests/model/test_model.py compiles and runs it; docs/model.md explains it.
 *
 * By hand:  spin -a -DFAULTS=2 protocol.pml
 *           gcc -O1 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o pan pan.c && ./pan -m800000 -E
 *           spin -t -DFAULTS=2 protocol.pml           (tells the counterexample, if there is one)
 *
 * An event id is one number: token t has the ids FIRST(t), +1, +2, and 0 is '0-0'. A log is a set of ids, as a bit mask:
 * Redis keeps ids in order, and a content belongs to its id (see issue). Every atomic step is one Lua script
 * with what its caller does about the answer; "lost" is a script that ran while its reply did not arrive.
 *
 * What time does in the code is a guard here: the lease of a worker that renews does not end (EXPIRE), Redis syncs
 * before a sealed attempt is looked at again (2 s, shared/durability.py, > everysec 1 s), and the hold-off after a restart lasts until
 * every worker that is awake has taken its lease back.
 *
 * Sizes    FAULTS: faults of any kind, in any order     CRASHES: how many of them may be Redis crashes
 *          RESUMES: times the viewer loses its connection or a publication
 * Faults   -DTOGETHER: a worker and Redis may also fail within one second (else what a worker wrote is on disk when it
 *          is killed or paused)      -DCANCEL: a client cancels, once, at any time
 *          -DDRAIN -DRETRY: hand-over and provider errors, each spends one of FAULTS
 * Mutants  -DNO_TOKEN_CHECK -DNO_LAST_ID_CHECK -DNO_SEAL_CHECK -DNO_RESTORE_CHECK -DNO_OWNER_CHECK -DNO_HOLD_OFF
 *          -DNO_RECHECK -DNO_SWEEPER -DNO_TOKEN_CLOCK -DNO_GAP_CHECK -DPLAIN_XADD: the protocol without that guard
 *          -DNO_CLAIM_DEADLINE -DNO_PULSE -DNO_SETTLE_CHECK -DNO_CANCEL_CHECK -DPAST_IS_OVER: guards that this model asked for
 * Gap      -DGAP_RESTORE: where the code falls short of the protocol that passes; docs/model.md tells what follows from it
 * Checks   -DLOG_ONLY: without the viewer    -DLIVENESS: that it ends, under weak fairness (pan -a -f)
 */

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RESUMES
#define RESUMES 1
#endif
#define WORKERS 3
#define MAX_ATTEMPTS 3
#define TOKENS 9                         /* at most; asserted */

#define FIRST(token) (3 * ((token) - 1) + 1)
#define TOKEN(id)    (((id) + 2) / 3)
#define SEQ(id)      (((id) - 1) % 3)
#define BIT(id)      (1 << ((id) - 1))
#define UP_TO(id)    ((1 << (id)) - 1)   /* all ids up to and with this one */
#define NO_ID        255

/* A place that must be reached, or all passes because nothing happened: the test looks for it in pan's list. */
#define SEEN(n) assert(n != 0)

/* ---- Guards that a mutant lacks ---- */

#ifdef NO_SEAL_CHECK
#define OPEN true
#else
#define OPEN (r.seal == 0)
#endif

#ifdef NO_TOKEN_CHECK
#define FENCED false
#else
#define FENCED (r.token > mine)
#endif

#ifdef NO_LAST_ID_CHECK
#define ELSEWHERE false
#else
#define ELSEWHERE (r.last != before)
#endif

/* PARTIAL alone never decides: the last id says it already. */
#if defined(NO_TOKEN_CHECK) || defined(NO_LAST_ID_CHECK)
#define IMPLIED skip
#else
#define IMPLIED assert(ELSEWHERE)
#endif

#ifdef NO_RESTORE_CHECK
#define PARTIAL false
#else
#define PARTIAL (r.token != mine && known != 0)
#endif

/* The end of another attempt: whether that is on disk, its own worker looks, or the sweeper. */
#ifdef NO_SETTLE_CHECK
#define LOSE_LINGER w[i].lingers = SETTLES; w[i].crashed = 0
#else
#define LOSE_LINGER unlinger(i)
#endif

#ifdef TOGETHER
#define RECKLESS true
#else
#define RECKLESS false
#endif
#define APART (RECKLESS || !hold)

/* Whether the claim itself looks at the end of the lease: a worker that looks just before may be paused in between. */
#ifdef NO_CLAIM_DEADLINE
#define IN_TIME true
#else
#define IN_TIME w[i].leased
#endif

/* Whether a worker that slept past its lease writes before it has learned that; the log fences it, if that remembers. */
#ifdef NO_PULSE
#define STANDS true
#else
#define STANDS w[i].leased
#endif

#ifdef NO_SETTLE_CHECK
#define ON_DISK true
#else
#define ON_DISK SAFE(r.seal)
#endif

/* What is queued after a crash may be running: a later claim was lost. */
#ifdef NO_CANCEL_CHECK
#define WAITS_OUT false
#else
#define WAITS_OUT hold
#endif

#ifdef PAST_IS_OVER
#define PAST_END >=
#else
#define PAST_END ==
#endif

#ifdef GAP_RESTORE
#define KEEPS -1
#else
#define KEEPS (~UP_TO(FIRST(TOKEN(r.last)) - 1))         /* an attempt that starts over ends what came before */
#endif

/* ---- Redis: what it has in memory (r), and what of it is on disk (d) ---- */

#define ABSENT  0
#define VISIBLE 1
#define LEASED  2
#define NOBODY  0
#define DEAD    (WORKERS + 1)            /* the name of a worker that was killed: its successor has another */

typedef Redis {
  byte token;                            /* record */
  bit running;
  byte seal;
  byte failures;
  bit cancel;
  int log;                               /* log: ids, and the greatest */
  byte last;
  byte job;                              /* queue entry: absent, visible, leased */
  byte holder;                           /* leases: worker + 1 */
  bit pending                            /* pending index */
}
Redis r;
Redis d;
bit dirty;                               /* r is ahead of d */
bit fresh;                               /* the queue entry was made visible since the crash */
bit hold;                                /* workers hold off */

/* ---- Ghosts: known to the properties only ---- */

byte clock;                              /* Redis' clock: does not go back */
int terminal;                            /* ids whose event is terminal */
byte left = FAULTS;
byte crashes = CRASHES;

/* ---- Workers ---- */

#define IDLE   0
#define TAKEN  1                         /* has the job, and looks at the record */
#define READY  2                         /* about to claim */
#define RUN    3                         /* owns an attempt */
#define AGAIN  4                         /* provider error: about to claim once more */
#define SETTLE 5                         /* found it sealed: out of the pending index */
#define FINISH 6                         /* job is done */
#define BACK   7                         /* handed over: job goes back */

#define WAITS   1
#define CHECKS  2
#define SETTLES 3

typedef Worker {
  byte pc;
  bit paused;
  bit leased;                            /* believes that it holds the job */
  bit stale;                             /* has not renewed since the crash */
  byte token;                            /* the attempt: token, base, events in memory, those that the log has */
  byte base;
  byte count;
  byte acked;
  bit ended;                             /* the last event in memory is terminal */
  byte lingers;                          /* the sealed attempt that it remembers */
  bit crashed;                           /* Redis restarted since */
  byte ltoken;
  byte lbase;
  byte lcount;
  byte lacked
}
Worker w[WORKERS];
byte sweeps;                             /* what the sweeper is about to do */
#define ENQUEUES 1

/* ---- The viewer and the tail that serves it ---- */

#define READS 1                          /* the tail is due to read the log */
#define LIVE  2                          /* the tail follows publications */
#define OVER  3                          /* the viewer has its terminal event, or was told 204 */
byte viewing = READS;
int kept;                                /* what the viewer has, since the last reset */
byte cursor;
int frames;                              /* what the tail has */
byte tail;
bit undecided;                           /* resumed: its place in the tail is not known yet */
bit rebuild;
byte resumes = RESUMES;

/* ---- Redis ---- */

inline sync() {
  d.token = r.token; d.running = r.running; d.seal = r.seal; d.failures = r.failures; d.cancel = r.cancel;
  d.log = r.log; d.last = r.last; d.job = r.job; d.holder = r.holder; d.pending = r.pending;
  dirty = 0
}

/* Without a crash to come, what is on disk makes no difference. */
#define CALM (left == 0 || crashes == 0)
#define SAFE(id) (CALM || d.seal == (id))
inline wipe() {
  d.token = 0; d.running = 0; d.seal = 0; d.failures = 0; d.cancel = 0;
  d.log = 0; d.last = 0; d.job = 0; d.holder = 0; d.pending = 0;
  dirty = 0
}
inline spend() {
  left--;
  if
  :: CALM -> wipe()
  :: else
  fi
}

inline crash() {
  r.token = d.token; r.running = d.running; r.seal = d.seal; r.failures = d.failures; r.cancel = d.cancel;
  r.log = d.log; r.last = d.last; r.job = d.job; r.holder = d.holder; r.pending = d.pending;
  dirty = 0; fresh = 0;
  printf("Redis crashes and keeps up to %d\n", r.last);
#ifndef NO_HOLD_OFF
  hold = 1;
#endif
  k = 0;
  do
  :: k < WORKERS ->
     w[k].stale = w[k].leased;
     if
     :: w[k].lingers -> w[k].crashed = 1
     :: else
     fi;
     k++
  :: else -> break
  od;
  k = 0;
  if
  :: viewing == LIVE -> viewing = READS
  :: else
  fi
}

/* XADD with an explicit id, and what must be true of every write that the log takes (P1, P2, P4). */
inline xadd(id) {
  assert(id > r.last);                                   /* Redis itself */
  assert(r.seal == 0 && (r.log & terminal) == 0);        /* P2: nothing after the end */
  assert(TOKEN(id) >= r.token);                          /* P4: not by a superseded attempt */
  assert(SEQ(id) == 0 || (r.log & BIT(id - 1)));         /* P1: dense */
  r.log = r.log | BIT(id); r.last = id; dirty = 1;
  printf("log + %d\n", id)
}

/* A token is new, or an id could mean two contents (P1). */
inline issue() {
#ifdef NO_TOKEN_CLOCK
  clock = r.token + 1;
  assert((kept & (7 << (FIRST(clock) - 1))) == 0);
#else
  clock++;
#endif
  assert(clock <= TOKENS)
}

/* ---- The tail and its viewer: api/viewing/tail.py ---- */

inline over() {
  printf("viewer: over with %d\n", kept);
  viewing = OVER; frames = 0; tail = 0; rebuild = 0; undecided = 0; resumes = 0 }

inline extend(ids, newest) {
  frames = frames | (ids); tail = newest;
  if
  :: !undecided ->
     kept = kept | (ids); cursor = newest;
     if
     :: frames & terminal -> over()
     :: else
     fi
  :: else
  fi
}

/* `reset`: the viewer drops what it has and begins again at the start of the log. */
inline reset() {
  SEEN(4);
  printf("viewer: reset, cursor was %d\n", cursor);
  kept = frames; cursor = tail; undecided = 0;
  if
  :: frames & terminal -> over()
  :: else
  fi
}

/* api/viewing/log_follower.py _apply */
inline hear(previous, ids, newest) {
  new = (ids) & ~frames; prev = previous;
  if
  :: prev != tail && new != 0 && new != (ids) ->
     m = FIRST(TOKEN(newest));
     do
     :: !(new & BIT(m)) -> m++
     :: else -> break
     od;
     prev = (SEQ(m) -> m - 1 : NO_ID);
     m = 0
  :: else
  fi;
#ifdef NO_GAP_CHECK
  prev = tail;
#endif
  if
  :: new == 0
  :: new != 0 && prev == tail -> extend(new, newest)
  :: new != 0 && prev != tail ->
     viewing = READS;
     rebuild = rebuild || prev < tail
  fi;
  new = 0; prev = 0
}

/* A write's publication: the id that it follows, its ids, the last. Heard at once or lost; hearing it late is the
   same as the viewer having been there earlier. */
inline publish(previous, ids, newest) {
  if
  :: viewing == LIVE ->
     if
     :: hear(previous, ids, newest)
     :: resumes > 0 -> printf("viewer: misses a publication\n"); resumes--
     fi
  :: else
  fi
}

/* _read_anew: who has more than both share is reset */
inline anew() {
  new = frames;
  frames = r.log; tail = r.last;
  if
  :: undecided
  :: !undecided && (new & r.log) == new && (new == 0 || (r.log & UP_TO(cursor)) == new) ->
     kept = kept | r.log; cursor = tail;
     if
     :: frames & terminal -> over()
     :: else
     fi
  :: !undecided && !((new & r.log) == new && (new == 0 || (r.log & UP_TO(cursor)) == new)) -> reset()
  fi
}

/* ---- What a worker remembers ---- */

inline forget(x) { w[x].token = 0; w[x].base = 0; w[x].count = 0; w[x].acked = 0; w[x].ended = 0 }
inline leave(x) { printf("worker %d: leaves\n", x); forget(x); w[x].leased = 0; w[x].stale = 0; w[x].pc = IDLE }
inline unlinger(x) {
  w[x].lingers = 0; w[x].crashed = 0; w[x].ltoken = 0; w[x].lbase = 0; w[x].lcount = 0; w[x].lacked = 0
}

inline end_attempt() {
  w[i].count++; w[i].ended = 1;
  terminal = terminal | BIT(FIRST(w[i].token) + w[i].count - 1)
}

inline sealed() {
  printf("worker %d: knows that it sealed\n", i);
#ifndef NO_RECHECK
  w[i].lingers = WAITS; w[i].crashed = 0;
  w[i].ltoken = w[i].token; w[i].lbase = w[i].base; w[i].lcount = w[i].count; w[i].lacked = w[i].count;
#endif
  forget(i); w[i].leased = 0; w[i].stale = 0; w[i].pc = FINISH
}

/* ---- The scripts ---- */

/* claim.lua; `again` is a claim by the token that the worker has. */
inline claim(again) {
  if
#ifndef NO_SEAL_CHECK
  :: r.seal != 0 -> forget(i); w[i].leased = 0; w[i].pc = FINISH
#endif
  :: OPEN && again && r.token != w[i].token -> leave(i)
  :: OPEN && !(again && r.token != w[i].token) ->
     m = 0;
     do
     :: m < WORKERS ->                    /* P5: who is awake and has renewed is not replaced */
        assert(m == i || RECKLESS || !(w[m].pc == RUN && !w[m].paused && w[m].leased));
        m++
     :: else -> break
     od;
     m = 0;
     issue();
     r.failures = r.failures + (again || r.running);
     r.token = clock; r.running = 1; dirty = 1;
     printf("worker %d: claims token %d, failures %d\n", i, clock, r.failures);
     prev = r.last;
     if
     :: r.failures >= MAX_ATTEMPTS -> SEEN(2); new = 0
     :: r.cancel && r.failures < MAX_ATTEMPTS -> SEEN(3); new = 0
     :: else -> new = 1; xadd(FIRST(clock)); 
     fi;
     if
     :: w[i].token = r.token; w[i].base = prev; w[i].count = 1; w[i].acked = new; w[i].ended = 1 - new;
        if
        :: !new -> terminal = terminal | BIT(FIRST(clock))
        :: else
        fi;
        w[i].pc = RUN
     :: left > 0 -> printf("reply lost\n"); spend()                /* lost: the client sends it again */
     fi;
     m = new; n = prev; new = 0; prev = 0;
     if
     :: m -> publish(n, BIT(FIRST(r.token)), FIRST(r.token))
     :: else
     fi;
     m = 0; n = 0
  fi
}

/* append.lua and worker/writing/writer.py settle(). Leaves the answer in n. */
#define OK       1
#define LOST_LOG 2                       /* fenced */
#define TOO_LATE 3                       /* sealed by another */
#define RESEND   4
inline append(mine, from, size, known, whole) {
  before = (known -> FIRST(mine) + known - 1 : from);
#ifdef PLAIN_XADD
  n = OK; m = known;
  if
  :: whole && known == size - 1 && (r.log & BIT(FIRST(mine) + size - 1)) -> m = size
  :: else
  fi;
  do
  :: m < size ->
     if
     :: FIRST(mine) + m > r.last -> xadd(FIRST(mine) + m)
     :: else                             /* "equal or smaller than the target stream top item": it is there */
     fi;
     m++
  :: else -> break
  od;
  if
  :: whole && (r.log & BIT(FIRST(mine) + size - 1)) -> r.seal = FIRST(mine) + size - 1
  :: else
  fi;
  m = 0;
  if
  :: left > 0 -> spend()
  :: known = size
  fi;
  before = 0
#else
  if
  :: !OPEN ->
     n = (r.seal == FIRST(mine) + size - 1 -> OK : TOO_LATE);
     known = size
  :: OPEN && FENCED -> SEEN(5); n = LOST_LOG
  :: OPEN && !FENCED && (ELSEWHERE || PARTIAL) ->
     IMPLIED;
     if
     :: r.last != 0 && TOKEN(r.last) == mine -> SEEN(6); n = RESEND; known = SEQ(r.last) + 1
     :: r.last == 0 || TOKEN(r.last) < mine -> SEEN(7); n = RESEND; from = r.last; known = 0
     :: r.last != 0 && TOKEN(r.last) > mine -> n = LOST_LOG
     fi
  :: OPEN && !FENCED && !(ELSEWHERE || PARTIAL) ->
     if
     :: r.token != mine -> SEEN(1);
        assert(mine >= r.token);          /* P4: what is restored was claimed later than what Redis remembers */
        r.token = mine; r.running = 1
     :: else
     fi;
     m = known;
     do
     :: m < size -> xadd(FIRST(mine) + m); m++
     :: else -> break
     od;
     m = 0;
     if
     :: whole -> r.seal = FIRST(mine) + size - 1
     :: else
     fi;
     n = OK; sent = UP_TO(FIRST(mine) + size - 1) & ~UP_TO(FIRST(mine) + known - 1);
     if
     :: left > 0 -> printf("reply lost\n"); spend(); n = RESEND
     :: known = size
     fi;
     publish(before, sent, r.last);
     sent = 0
  fi;
  before = 0
#endif
}

/* finish.lua */
inline finish(state) {
#ifdef NO_OWNER_CHECK
  if
  :: true ->
#else
  if
  :: r.holder != NOBODY && r.holder != i + 1
  :: r.holder == NOBODY || r.holder == i + 1 ->
#endif
     r.holder = NOBODY; dirty = 1;
     if
     :: state == VISIBLE && r.job != ABSENT -> r.job = VISIBLE; fresh = hold
     :: state == VISIBLE && r.job == ABSENT
     :: state == ABSENT -> r.job = ABSENT; fresh = 0
     fi
  fi;
  printf("worker %d: job finished (%d)\n", i, r.job);
  w[i].pc = IDLE
}

/* ZREM of the pending index: by a worker that found the log sealed or knows it on disk, and by the sweeper. */
inline settle() {
  printf("out of the pending index\n");
  assert(r.seal != 0);                   /* P3: what has not ended is not forgotten */
  if
  :: r.pending -> r.pending = 0; dirty = 1
  :: else
  fi
}

/* ---- Workers ---- */

/* Idle workers are all alike: only the first of them takes. */
#define BLANK(k) (w[k].pc == IDLE && !w[k].paused && !w[k].lingers)
#define TAKES (i == 0 || !BLANK(0)) && (i < 2 || !BLANK(1))

proctype worker(byte i) {
  byte m = 0, n = 0, before = 0, prev = 0;
  int new = 0, sent = 0;
end:
  do
  /* take.lua */
  :: atomic { w[i].pc == IDLE && !w[i].paused && TAKES && r.job == VISIBLE && (!hold || (fresh && r.holder == NOBODY)) ->
       r.job = LEASED; r.holder = i + 1; dirty = 1; fresh = 0;
       printf("worker %d: takes the job\n", i);
       if
       :: w[i].pc = TAKEN; w[i].leased = 1
       :: left > 0 -> spend()
       fi }

  /* worker/running/running_generations.py run(): look at the record, and whether the lease still stands */
  :: atomic { w[i].pc == TAKEN && !w[i].paused ->
       if
       :: r.seal != 0 && ON_DISK -> w[i].pc = SETTLE
       :: r.seal != 0 && !ON_DISK -> w[i].leased = 0; w[i].stale = 0; w[i].pc = FINISH
       :: r.seal == 0 && w[i].leased -> w[i].pc = READY
       :: r.seal == 0 && !w[i].leased -> leave(i)
       fi }
  :: atomic { w[i].pc == SETTLE && !w[i].paused -> settle(); w[i].leased = 0; w[i].stale = 0; w[i].pc = FINISH }
  :: atomic { w[i].pc == READY && !w[i].paused ->
       if
       :: IN_TIME -> claim(false)
       :: !IN_TIME -> leave(i)
       fi }
  :: atomic { w[i].pc == AGAIN && !w[i].paused && STANDS -> claim(true) }

  /* the provider: a delta, then its end; an error once the log has what was said; the stop of a cancel */
  :: d_step { w[i].pc == RUN && !w[i].paused && !w[i].ended && w[i].count == 1 -> w[i].count = 2 }
  :: d_step { w[i].pc == RUN && !w[i].paused && !w[i].ended && w[i].count == 2 -> end_attempt() }
  :: d_step { w[i].pc == RUN && !w[i].paused && !w[i].ended && r.cancel && w[i].count == 1 -> end_attempt() }
#ifdef RETRY
  :: d_step { w[i].pc == RUN && !w[i].paused && !w[i].ended && w[i].count == 2 && w[i].acked == 2 && left > 0 ->
       spend(); printf("worker %d: provider error\n", i); w[i].pc = AGAIN }
#endif

#ifndef NO_PULSE
  :: atomic { (w[i].pc == RUN || w[i].pc == AGAIN) && !w[i].paused && !w[i].leased -> leave(i) }
#endif
  :: atomic { w[i].pc == RUN && !w[i].paused && STANDS && w[i].acked < w[i].count ->
       append(w[i].token, w[i].base, w[i].count, w[i].acked, w[i].ended);
       if
       :: n == LOST_LOG -> leave(i)
       :: n == TOO_LATE -> forget(i); w[i].leased = 0; w[i].stale = 0; w[i].pc = FINISH
       :: n == OK && w[i].ended && w[i].acked == w[i].count -> sealed()
       :: else
       fi;
       n = 0 }
  /* the lost reply's events turned out to be there */
  :: atomic { w[i].pc == RUN && !w[i].paused && w[i].ended && w[i].acked == w[i].count -> sealed() }

  :: atomic { w[i].pc == FINISH && !w[i].paused -> finish(ABSENT) }

  /* renew.lua: only where it changes something */
  :: atomic { w[i].leased && !w[i].paused && (w[i].stale || r.job != LEASED || r.holder != i + 1) ->
       w[i].stale = 0;
       printf("worker %d: renews\n", i);
       if
       :: r.holder == NOBODY || r.holder == i + 1 ->
          if
          :: r.holder != i + 1 || r.job != LEASED -> r.holder = i + 1; r.job = LEASED; fresh = 0; dirty = 1
          :: else
          fi
       :: r.holder != NOBODY && r.holder != i + 1 ->
          w[i].leased = 0;
          if
          :: (w[i].pc == RUN && !w[i].ended) || w[i].pc == AGAIN -> leave(i)
          :: else
          fi
       fi }

#ifdef DRAIN
  /* hand_over.lua once the log has what was said, then finish.lua; the process ends, and another starts */
  :: atomic { w[i].pc == RUN && !w[i].paused && STANDS && !w[i].ended && w[i].acked == w[i].count && left > 0 ->
       spend(); w[i].leased = 0; w[i].stale = 0;
       printf("worker %d: drains\n", i);
       if
       :: r.seal == 0 && r.token == w[i].token -> SEEN(8); r.running = 0; dirty = 1; w[i].pc = BACK
       :: else -> w[i].pc = FINISH
       fi;
       forget(i) }
  :: atomic { w[i].pc == BACK && !w[i].paused -> finish(VISIBLE) }
#endif

  /* worker/maintenance/settler.py: 2 s after the seal, the terminal event is sent once more */
  :: d_step { w[i].lingers == WAITS && !w[i].paused && (w[i].crashed || SAFE(FIRST(w[i].ltoken) + w[i].lcount - 1)) ->
       printf("worker %d: looks whether its seal is there\n", i);
       w[i].lingers = CHECKS; w[i].lacked = w[i].lcount - 1 }
  :: atomic { w[i].lingers == CHECKS && !w[i].paused ->
       append(w[i].ltoken, w[i].lbase, w[i].lcount, w[i].lacked, 1);
       if
       :: n == OK && w[i].lacked == w[i].lcount -> w[i].lingers = (SAFE(r.seal) -> SETTLES : WAITS); w[i].crashed = 0
       :: n == LOST_LOG || n == TOO_LATE -> LOSE_LINGER
       :: else
       fi;
       n = 0 }
  :: atomic { w[i].lingers == SETTLES && !w[i].paused -> settle(); unlinger(i) }
  od
}

/* ---- Time, and the sweeper ---- */

/* Awake, it has by then taken its lease back, sent again what was under way, and looked after what it sealed. */
#define AT_WORK(k)   ((w[k].pc == RUN && w[k].acked < w[k].count) || w[k].pc == FINISH || w[k].pc == BACK)
#define HEALED(k)    (!(w[k].leased && w[k].stale) && !w[k].crashed && !AT_WORK(k))
#define ENDS_HOLD(k) (w[k].paused || HEALED(k))
/* A worker that is awake finishes its job long before the lease is over. */
#define LAPSED(k)    (w[k].paused || (!w[k].leased && w[k].pc != FINISH && w[k].pc != BACK))

proctype time() {
end:
  do
  :: d_step { dirty && !CALM -> printf("Redis syncs\n"); sync() }
  :: d_step { w[0].paused -> printf("worker 0 wakes\n"); w[0].paused = 0 }
  :: d_step { w[1].paused -> printf("worker 1 wakes\n"); w[1].paused = 0 }
  :: d_step { w[2].paused -> printf("worker 2 wakes\n"); w[2].paused = 0 }
  :: d_step { hold && ENDS_HOLD(0) && ENDS_HOLD(1) && ENDS_HOLD(2) ->
       printf("the hold-off ends\n"); hold = 0; fresh = 0;
       w[0].leased = w[0].leased && !w[0].paused; w[1].leased = w[1].leased && !w[1].paused;
       w[2].leased = w[2].leased && !w[2].paused }
  /* EXPIRE */
  :: d_step { r.job == LEASED && (r.holder == DEAD || r.holder == NOBODY) ->
       printf("the lease ends\n"); r.job = VISIBLE; dirty = 1 }
  :: d_step { r.job == LEASED && r.holder == 1 && LAPSED(0) ->
       printf("the lease ends\n"); r.job = VISIBLE; w[0].leased = 0; dirty = 1 }
  :: d_step { r.job == LEASED && r.holder == 2 && LAPSED(1) ->
       printf("the lease ends\n"); r.job = VISIBLE; w[1].leased = 0; dirty = 1 }
  :: d_step { r.job == LEASED && r.holder == 3 && LAPSED(2) ->
       printf("the lease ends\n"); r.job = VISIBLE; w[2].leased = 0; dirty = 1 }
#ifndef NO_SWEEPER
  /* worker/maintenance/sweeper.py: reads the index, the queue and the record, then acts */
  :: d_step { !hold && !sweeps && r.pending && r.job == ABSENT && (r.seal == 0 || ON_DISK) ->
       printf("sweeper: reads, seal is %d\n", r.seal); sweeps = (r.seal -> SETTLES : ENQUEUES) }
  :: atomic { sweeps == ENQUEUES -> sweeps = 0;
       if
       :: r.job == ABSENT -> r.job = VISIBLE; fresh = hold; dirty = 1
       :: else
       fi }
  :: atomic { sweeps == SETTLES -> settle(); sweeps = 0 }
#endif
  od
}

/* ---- Faults, and the client that cancels ---- */


inline on_disk() {
#ifndef TOGETHER
  if
  :: !CALM -> sync()
  :: else
  fi
#endif
  skip
}

inline kill(i) {
  on_disk();
  if
  :: r.holder == i + 1 -> r.holder = DEAD
  :: else
  fi;
  if
  :: d.holder == i + 1 -> d.holder = DEAD
  :: else
  fi;
  leave(i); unlinger(i); w[i].paused = 0
}

proctype faults() {
  byte k = 0;
end:
  do
  :: d_step { left > 0 -> left = 0; wipe() }
  :: atomic { left > 0 && APART && (w[0].pc != IDLE || w[0].lingers) -> spend(); printf("worker 0 is killed\n"); kill(0) }
  :: atomic { left > 0 && APART && (w[1].pc != IDLE || w[1].lingers) -> spend(); printf("worker 1 is killed\n"); kill(1) }
  :: atomic { left > 0 && APART && (w[2].pc != IDLE || w[2].lingers) -> spend(); printf("worker 2 is killed\n"); kill(2) }
  :: atomic { left > 0 && APART && !w[0].paused && (w[0].pc != IDLE || w[0].lingers) -> spend(); printf("worker 0 is paused\n"); on_disk(); w[0].paused = 1 }
  :: atomic { left > 0 && APART && !w[1].paused && (w[1].pc != IDLE || w[1].lingers) -> spend(); printf("worker 1 is paused\n"); on_disk(); w[1].paused = 1 }
  :: atomic { left > 0 && APART && !w[2].paused && (w[2].pc != IDLE || w[2].lingers) -> spend(); printf("worker 2 is paused\n"); on_disk(); w[2].paused = 1 }
  :: d_step { left > 0 && crashes > 0 -> left--; crashes--; crash();
       if
       :: CALM -> wipe()
       :: else
       fi }
  od
}

#ifdef CANCEL
/* cancel.lua: a flag for whoever runs it; seals what nobody runs */
proctype client() {
  byte m = 0, prev = 0, before = 0;
  int new = 0;
end:
  atomic { true ->
    if
    :: r.seal != 0
    :: r.seal == 0 -> printf("cancel\n"); r.cancel = 1; dirty = 1;
       if
       :: r.running || WAITS_OUT
       :: !r.running && !WAITS_OUT ->
          issue(); before = r.last;
          terminal = terminal | BIT(FIRST(clock));
          xadd(FIRST(clock));
          r.token = clock; r.seal = FIRST(clock);
#ifndef NO_CANCEL_CHECK
          on_disk();
#endif
          publish(before, BIT(FIRST(r.token)), FIRST(r.token));
          before = 0
       fi
    fi }
}
#endif

/* ---- The viewer: api/viewing/tail.py, api/viewing/resume.py, api/viewing/event_stream.py ---- */

#define FOUND  (tail == 0 || (r.log & BIT(tail)))
#define BEHIND (r.last < tail && r.seal == 0 && (r.last == 0 || (frames & BIT(r.last))))

proctype viewer() {
  byte m = 0, prev = 0;
  int new = 0;
end:
  do
  /* _read: what the log has from the last event on; anew where it is not what we have */
  :: atomic { viewing == READS ->
       viewing = LIVE;
       printf("viewer: reads the log\n");
       if
       :: !rebuild && FOUND ->
          new = r.log & ~UP_TO(tail);
          if
          :: new -> extend(new, r.last)
          :: else
          fi
       :: !rebuild && !FOUND && BEHIND                           /* the worker will send the rest */
       :: rebuild || (!FOUND && !BEHIND) -> anew()
       fi;
       new = 0; rebuild = 0 }

  /* follow: the cursor's place in a new tail */
  :: atomic { viewing == LIVE && undecided ->
       if
       :: cursor == 0 || (frames & BIT(cursor)) ->
          undecided = 0;
          new = frames & ~UP_TO(cursor);
          kept = kept | new; new = 0; cursor = tail;
          if
          :: frames & terminal -> over()
          :: else
          fi
       :: cursor != 0 && !(frames & BIT(cursor)) -> reset()      /* after a while (shared/durability.py), where it is ahead of the log */
       fi }

  /* the connection is lost; it resumes on another node */
  :: atomic { (viewing == READS || viewing == LIVE) && resumes > 0 ->
       printf("viewer: resumes at %d\n", cursor);
       resumes--; frames = 0; tail = 0; rebuild = 0; undecided = 1; viewing = READS;
       if
       :: r.seal == 0
       :: r.seal != 0 && cursor PAST_END r.seal ->               /* 204 */
          assert(kept & BIT(r.seal));                            /* P2: only who has the end is told so */
          over()
       :: r.seal != 0 && !(cursor PAST_END r.seal) ->
          frames = r.log; tail = r.last;
          if
          :: cursor != 0 && !(r.log & BIT(cursor)) -> reset()
          :: cursor == 0 || (r.log & BIT(cursor)) -> kept = kept | (r.log & ~UP_TO(cursor)); cursor = r.last; over()
          fi
       fi }

  /* no news for a heartbeat: looks all the same */
  :: d_step { viewing == LIVE && !undecided && tail != r.last && left == 0 && !hold -> viewing = READS }
  od
}
/* ---- Properties at rest: nothing can happen any more ---- */

proctype rest() {
end:
  timeout;
  assert(r.seal != 0 && r.seal == r.last);              /* P2: it ended, in its last event */
  assert((r.log & terminal) == BIT(r.seal));            /* P2: exactly one */
  assert(r.job == ABSENT && !r.pending);                /* nothing is left behind */
#ifndef LOG_ONLY
  assert(viewing == OVER);                              /* P2: no viewer hangs */
#ifndef TOGETHER
  assert((kept & terminal) == BIT(r.seal));             /* P1, P2: it was told this end, and no other */
  assert(((kept ^ r.log) & KEEPS) == 0)                 /* P1: it has what the log has */
#endif
#endif
}

#ifdef LIVENESS
/* Runs go on for ever, so that one in which all else has stopped counts too. */
proctype ticks() {
  bit tick;
  do
  :: tick = 1 - tick
  od
}
#endif

init {
  atomic {
    r.pending = 1;
    /* the API may die between the record and the job */
    if
    :: r.job = VISIBLE
    :: left > 0 -> spend()
    fi;
    sync();
    run worker(0); run worker(1); run worker(2); run time(); run faults();
#ifdef CANCEL
    run client();
#endif
#ifndef LOG_ONLY
    run viewer();
#else
    viewing = OVER;
#endif
#ifdef LIVENESS
    run ticks();
#else
    run rest();
#endif
  }
}

#ifdef LIVENESS
#ifdef LOG_ONLY
ltl ends { <>[] (r.seal != 0) }
#else
ltl ends { <>[] (r.seal != 0 && viewing == OVER) }
#endif
#endif

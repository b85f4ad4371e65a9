/* Opens many event streams at once, checks what comes, and says when it came. bench/load.py compiles and runs it.
 *
 *   sse_load HOST PORT REQUESTS [option value]...
 *
 * REQUESTS is a file of HTTP requests as they go on the wire, each after a line with its length. Viewer i sends
 * request i modulo their number. In the data of an event, `@<us>;` is the time at which it was made (realtime clock),
 * and `#<n>;` a serial number; an `id:` is `<token>-<n>`. Numbers must be dense.
 *
 *   --viewers N     streams (1)               --ramp N     streams opened in a second (2000)
 *   --expect N      clock texts after which a stream is complete; 0: its end alone completes it (0)
 *   --until N       the serial number that completes a stream and ends it; -1: none (-1)
 *   --seconds N     limit of the whole run (60)
 *   --stall N       the first N streams are never read (0)
 *   --reconnect N   times that a broken stream is resumed with Last-Event-ID (0)
 *   --ids 0         do not check `id:`: the server's ids are not dense (1)
 *   --pending N     streams that may wait for their answer before another is opened; 0: any number (0)
 *
 * Prints `ready` when all streams have been answered. The first SIGUSR1 begins the window in which rates and latencies
 * are counted, the second ends it; losses are counted over the whole run. Prints one line of JSON when all streams are
 * over, at the limit, or at SIGTERM. Exit status 1 where it cannot run at all.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_LIMIT (8u << 20)
#define PORTS_OF_AN_ADDRESS 20000
#define FINE_US 10
#define COARSE_US 1000
#define FINE 100000   /* buckets of 10 us, to 1 s */
#define COARSE 120000 /* buckets of 1 ms, to 120 s more */

enum phase { UNOPENED, CONNECTING, HEAD, BODY, OVER };
enum framing { TO_END, BY_LENGTH, CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_AFTER, TRAILER };

struct viewer {
    int fd;
    uint8_t phase, framing;
    bool answered, first_seen, has_id, terminal, complete, stalled, digits, blank;
    uint8_t resumed;
    uint32_t marks;
    uint64_t left;        /* bytes of the chunk or of the content */
    uint64_t token, number;
    int64_t serial;       /* of the newest `#<n>;`, or -1 */
    int64_t clock;        /* of the newest `@<us>;` */
    int64_t asked_us;     /* realtime, when the request was sent */
    char *held;           /* a head or line that has not ended */
    uint32_t held_size, held_room;
};

struct histogram {
    uint64_t count, fine[FINE], coarse[COARSE];
    int64_t most;
};

struct request {
    const char *bytes;
    size_t size;
};

static struct viewer *viewers;
static struct request *requests;
static size_t request_count;
static struct sockaddr_in server;
static int poller;
static long option_viewers = 1, option_ramp = 2000, option_expect, option_seconds = 60, option_stall, option_reconnect;
static long option_ids = 1, option_until = -1, option_pending;

/* The whole run. */
static uint64_t opened, refused, bad_status, early_ends, reconnects, completed, over, answered;
static uint64_t gaps, missing, duplicates, backward, failed, resets, drains, total_events, total_marks, total_bytes;
static int first_bad_status;
/* The window. */
static bool counting = true;
static uint64_t events, marks, bytes, reads;
static int64_t window_began, window_ended;
static double cpu_began, cpu_ended, busiest;
static struct histogram latency, first, done;

static int64_t now;
static volatile sig_atomic_t asked, ending;
static char buffer[1 << 18];

static int64_t realtime_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static double own_cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void add(struct histogram *h, int64_t us) {
    if (us < 0) us = 0;
    h->count++;
    if (us > h->most) h->most = us;
    if (us < (int64_t)FINE * FINE_US) {
        h->fine[us / FINE_US]++;
        return;
    }
    int64_t at = us / COARSE_US - (int64_t)FINE * FINE_US / COARSE_US;
    h->coarse[at < COARSE ? at : COARSE - 1]++;
}

static int64_t quantile(const struct histogram *h, double share) {
    uint64_t wanted = (uint64_t)(share * h->count), seen = 0;
    if (!h->count) return 0;
    for (int i = 0; i < FINE; i++)
        if ((seen += h->fine[i]) > wanted) return (int64_t)i * FINE_US + FINE_US / 2;
    for (int i = 0; i < COARSE; i++)
        if ((seen += h->coarse[i]) > wanted) return ((int64_t)FINE * FINE_US) + (int64_t)i * COARSE_US + COARSE_US / 2;
    return h->most;
}

static void print_histogram(const char *name, const struct histogram *h) {
    printf("\"%s\":{\"count\":%" PRIu64 ",\"p50\":%" PRId64 ",\"p90\":%" PRId64 ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "}",
           name, h->count, quantile(h, .5), quantile(h, .9), quantile(h, .99), h->most);
}

/* ---- one stream's end ---- */

static void ask_again_later(struct viewer *v);

static void answer_seen(struct viewer *v) {
    if (v->answered) return;
    v->answered = true;
    answered++;
}

static void leave(struct viewer *v) {
    if (v->fd >= 0) close(v->fd);
    v->fd = -1;
    free(v->held);
    v->held = NULL;
    v->held_size = v->held_room = 0;
    if (!v->complete && v->phase == BODY && v->resumed < option_reconnect) {
        ask_again_later(v);
        return;
    }
    answer_seen(v);
    v->phase = OVER;
    over++;
}

static void finish(struct viewer *v) {
    if (v->complete) return;
    v->complete = true;
    completed++;
    add(&done, now - v->asked_us);
}

/* The response has ended as HTTP has it (`proper`), or the connection did. */
static void end_of_response(struct viewer *v, bool proper) {
    if (v->terminal || (proper && (!option_expect || v->marks >= option_expect))) finish(v);
    if (!v->complete) early_ends++;
    leave(v);
}

/* ---- events ---- */

static const char *digits(const char *p, const char *end, uint64_t *number) {
    const char *start = p;
    uint64_t n = 0;
    while (p < end && (unsigned char)(*p - '0') < 10) n = n * 10 + (uint64_t)(*p++ - '0');
    *number = n;
    return p > start ? p : NULL;
}

static void see_id(struct viewer *v, const char *p, const char *end) {
    uint64_t token, number;
    const char *dash = digits(p, end, &token);
    if (!dash || dash == end || *dash != '-' || digits(dash + 1, end, &number) != end) return;
    if (v->has_id && option_ids) {
        if (token == v->token && number == v->number) duplicates++;
        else if (token < v->token || (token == v->token && number < v->number)) backward++;
        else {
            uint64_t due = token == v->token ? v->number + 1 : 0;
            if (number > due) gaps++, missing += number - due;
        }
    }
    v->has_id = true;
    v->token = token;
    v->number = number;
}

static void see_serial(struct viewer *v, int64_t serial) {
    if (v->serial >= 0) {
        if (serial == v->serial) duplicates++;
        else if (serial < v->serial) backward++;
        else if (serial > v->serial + 1) gaps++, missing += (uint64_t)(serial - v->serial - 1);
    }
    v->serial = serial;
}

static void see_data(struct viewer *v, const char *p, const char *end) {
    total_events++;
    if (counting) events++;
    if (end - p == 6 && !memcmp(p, "[DONE]", 6)) v->terminal = true;
    while ((p = memchr(p, '@', (size_t)(end - p)))) {
        uint64_t made, serial;
        const char *after = digits(++p, end, &made);
        if (!after || after == end || *after != ';') continue;
        p = after + 1;
        if ((int64_t)made < v->clock) {
            /* Out of order, or said again: some repeat the whole text at the end. */
            backward++;
            continue;
        }
        v->clock = (int64_t)made;
        v->marks++;
        total_marks++;
        if (!v->first_seen) {
            v->first_seen = true;
            add(&first, now - v->asked_us);
        }
        if (counting) {
            marks++;
            add(&latency, now - (int64_t)made);
        }
        if (p < end && *p == '#' && (after = digits(p + 1, end, &serial))) {
            see_serial(v, (int64_t)serial);
            if ((int64_t)serial == option_until) finish(v);
            p = after;
        }
        if (option_expect && v->marks == option_expect) finish(v);
    }
}

static bool is(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);
    return (size_t)(end - p) == n && !memcmp(p, word, n);
}

static void see_line(struct viewer *v, const char *p, const char *end) {
    if (end > p && end[-1] == '\r') end--;
    const char *colon = memchr(p, ':', (size_t)(end - p));
    if (!colon || colon == p) return;
    const char *value = colon + 1;
    if (value < end && *value == ' ') value++;
    if (is(p, colon, "data")) {
        see_data(v, value, end);
    } else if (is(p, colon, "id")) {
        see_id(v, value, end);
    } else if (is(p, colon, "event")) {
        if (is(value, end, "completed") || is(value, end, "cancelled") || is(value, end, "done")) v->terminal = true;
        else if (is(value, end, "failed")) v->terminal = true, failed++;
        else if (is(value, end, "reset")) resets++;
        else if (is(value, end, "drain")) drains++;
    }
}

static bool hold(struct viewer *v, const char *p, size_t size) {
    if (v->held_size + size > LINE_LIMIT) return false;
    if (v->held_size + size > v->held_room) {
        v->held_room = (uint32_t)(v->held_size + size) * 2;
        if (!(v->held = realloc(v->held, v->held_room))) return false;
    }
    memcpy(v->held + v->held_size, p, size);
    v->held_size += (uint32_t)size;
    return true;
}

static bool see_text(struct viewer *v, const char *p, size_t size) {
    const char *end = p + size;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) return hold(v, p, (size_t)(end - p));
        if (v->held_size) {
            if (!hold(v, p, (size_t)(newline - p))) return false;
            see_line(v, v->held, v->held + v->held_size);
            v->held_size = 0;
        } else {
            see_line(v, p, newline);
        }
        p = newline + 1;
    }
    return true;
}

/* ---- HTTP/1.1 (RFC 9112) ---- */

/* Gives false when the stream is over. */
static bool see_body(struct viewer *v, const char *p, size_t size) {
    const char *end = p + size;
    while (p < end) {
        size_t rest = (size_t)(end - p), part;
        switch (v->framing) {
        case TO_END:
            if (!see_text(v, p, rest)) return end_of_response(v, false), false;
            p = end;
            break;
        case BY_LENGTH:
            part = rest < v->left ? rest : v->left;
            if (!see_text(v, p, part)) return end_of_response(v, false), false;
            p += part;
            if (!(v->left -= part)) return end_of_response(v, true), false;
            break;
        case CHUNK_SIZE: {
            int c = (unsigned char)*p++, digit = c - '0';
            if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
            else if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
            if (digit >= 0 && digit < 16) {
                v->left = v->left * 16 + (uint64_t)digit;
                v->digits = true;
            } else if (c == ';') {
                v->framing = CHUNK_EXTENSION;
            } else if (c == '\n' && v->digits) {
                v->framing = v->left ? CHUNK_DATA : TRAILER;
                v->blank = true;
            } else if (c != '\r') {
                return end_of_response(v, false), false;
            }
            break;
        }
        case CHUNK_EXTENSION:
            if (*p++ == '\n') v->framing = v->left ? CHUNK_DATA : TRAILER, v->blank = true;
            break;
        case CHUNK_DATA:
            part = rest < v->left ? rest : v->left;
            if (!see_text(v, p, part)) return end_of_response(v, false), false;
            p += part;
            if (!(v->left -= part)) v->framing = CHUNK_AFTER;
            break;
        case CHUNK_AFTER:
            if (*p++ == '\n') v->framing = CHUNK_SIZE, v->digits = false, v->left = 0;
            break;
        case TRAILER:
            if (*p == '\n') {
                if (v->blank) return end_of_response(v, true), false;
                v->blank = true;
            } else if (*p != '\r') {
                v->blank = false;
            }
            p++;
            break;
        }
    }
    return true;
}

static const char *header(const char *head, const char *name) {
    size_t n = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, name, n)) return line + n + strspn(line + n, " ");
    }
    return NULL;
}

static void see_head(struct viewer *v, const char *p, size_t size) {
    if (!hold(v, p, size) || !hold(v, "", 1)) return leave(v);
    v->held_size--;
    char *end = strstr(v->held, "\r\n\r\n");
    if (!end) {
        if (v->held_size > 65536) leave(v);
        return;
    }
    end[2] = 0;
    int status = atoi(v->held + strcspn(v->held, " "));
    if (status != 200) {
        if (status != 204) {
            bad_status++;
            if (!first_bad_status) first_bad_status = status;
        } else {
            finish(v);
        }
        return leave(v);
    }
    const char *coding = header(v->held, "transfer-encoding:"), *length = header(v->held, "content-length:");
    v->framing = coding && !strncasecmp(coding, "chunked", 7) ? CHUNK_SIZE : length ? BY_LENGTH : TO_END;
    v->left = v->framing == BY_LENGTH ? strtoull(length, NULL, 10) : 0;
    v->digits = false;
    v->phase = BODY;
    if (!v->resumed) opened++;
    answer_seen(v);
    char *head = v->held;
    size_t rest = v->held_size - (size_t)(end + 4 - head);
    const char *body = end + 4;
    v->held = NULL;
    v->held_size = v->held_room = 0;
    if (v->stalled) {
        struct epoll_event none = {.events = 0, .data.ptr = v};
        epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &none);
    } else if (rest) {
        see_body(v, body, rest);
    }
    free(head);
}

/* ---- connections ---- */

static void refuse(struct viewer *v) {
    refused++;
    leave(v);
}

static void open_stream(struct viewer *v) {
    int yes = 1;
    long number = v - viewers;
    v->phase = CONNECTING;
    v->asked_us = realtime_us();
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0) return refuse(v);
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (option_viewers > PORTS_OF_AN_ADDRESS && (ntohl(server.sin_addr.s_addr) >> 24) == 127) {
        /* One address has not that many ports. */
        struct sockaddr_in own = {.sin_family = AF_INET};
        own.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(number / PORTS_OF_AN_ADDRESS));
        setsockopt(v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(v->fd, (struct sockaddr *)&own, sizeof own)) return refuse(v);
    }
    if (connect(v->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) return refuse(v);
    struct epoll_event writable = {.events = EPOLLOUT, .data.ptr = v};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, v->fd, &writable)) refuse(v);
}

static void ask_again_later(struct viewer *v) {
    /* At once: what is measured is the server, and it has bounded how often. */
    v->resumed++;
    reconnects++;
    v->terminal = false;
    open_stream(v);
}

static void send_request(struct viewer *v) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) return refuse(v);
    const struct request *r = &requests[(size_t)(v - viewers) % request_count];
    char again[8192];
    const char *text = r->bytes;
    size_t length = r->size;
    if (v->resumed && v->has_id && length < sizeof again - 100) {
        memcpy(again, text, length - 2);
        length = length - 2 + (size_t)sprintf(again + length - 2, "Last-Event-ID: %" PRIu64 "-%" PRIu64 "\r\n\r\n",
                                              v->token, v->number);
        text = again;
    }
    if (!v->resumed) {
        /* What resumes must go on exactly there. */
        const char *cursor = memmem(r->bytes, r->size, "Last-Event-ID: ", 15);
        if (cursor) see_id(v, cursor + 15, memchr(cursor, '\r', r->size - (size_t)(cursor - r->bytes)));
        v->asked_us = realtime_us();
    }
    if (send(v->fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) return refuse(v);
    v->phase = HEAD;
    struct epoll_event readable = {.events = EPOLLIN, .data.ptr = v};
    epoll_ctl(poller, EPOLL_CTL_MOD, v->fd, &readable);
}

static void receive(struct viewer *v) {
    ssize_t size = recv(v->fd, buffer, sizeof buffer, 0);
    now = realtime_us();
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        if (v->phase == BODY) end_of_response(v, size == 0 && v->framing == TO_END);
        else refuse(v);
        return;
    }
    total_bytes += (uint64_t)size;
    if (counting) reads++, bytes += (uint64_t)size;
    if (v->phase == HEAD) see_head(v, buffer, (size_t)size);
    else see_body(v, buffer, (size_t)size);
    /* It has what it came for. */
    if (option_until >= 0 && v->complete && v->phase == BODY) leave(v);
}

/* ---- the run ---- */

static void on_signal(int number) {
    if (number == SIGUSR1) asked++;
    else ending = 1;
}

static void begin_window(void) {
    events = marks = bytes = reads = 0;
    memset(&latency, 0, sizeof latency);
    busiest = 0;
    counting = true;
    window_began = realtime_us();
    cpu_began = own_cpu();
}

static void end_window(void) {
    if (window_ended) return;
    window_ended = realtime_us();
    cpu_ended = own_cpu();
    counting = false;
}

static bool read_requests(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about)) return false;
    char *text = malloc((size_t)about.st_size + 1), *end = text + about.st_size;
    if (!text || read(file, text, (size_t)about.st_size) != about.st_size) return false;
    *end = 0;
    close(file);
    for (char *p = text; p < end;) {
        size_t size = strtoul(p, &p, 10);
        if (!size || *p++ != '\n' || p + size > end) return false;
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        requests[request_count++] = (struct request){p, size};
        p += size;
    }
    return request_count > 0;
}

static bool read_options(int count, char **words) {
    const struct { const char *name; long *value; } known[] = {
        {"--viewers", &option_viewers}, {"--ramp", &option_ramp}, {"--expect", &option_expect},
        {"--seconds", &option_seconds}, {"--stall", &option_stall}, {"--reconnect", &option_reconnect},
        {"--ids", &option_ids}, {"--until", &option_until}, {"--pending", &option_pending},
    };
    for (int i = 0; i < count; i += 2) {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(known[k].name, words[i])) k++;
        if (k == sizeof known / sizeof *known || i + 1 == count) return false;
        *known[k].value = atol(words[i + 1]);
    }
    return option_viewers > 0 && option_ramp > 0;
}

static void run(void) {
    struct epoll_event ready[512];
    int64_t began = realtime_us(), tick = began;
    double cpu = own_cpu();
    long next = 0;
    bool told = false;
    int taken = 0;
    while (!ending) {
        int64_t since = realtime_us() - began;
        if (since > option_seconds * 1000000LL) break;
        while (next < option_viewers && next <= since * option_ramp / 1000000 &&
               (!option_pending || next - (long)answered < option_pending))
            open_stream(&viewers[next++]);
        if (!told && answered == (uint64_t)option_viewers) {
            told = true;
            puts("ready");
            fflush(stdout);
        }
        if (over == (uint64_t)option_viewers) break;
        int count = epoll_wait(poller, ready, 512, next < option_viewers ? 1 : 100);
        if (taken < asked) taken++ ? end_window() : begin_window();
        for (int i = 0; i < count; i++) {
            struct viewer *v = ready[i].data.ptr;
            if (v->fd < 0) continue;
            if (v->phase == CONNECTING) send_request(v);
            else if (!v->stalled || v->phase == HEAD) receive(v);
            else if (ready[i].events & (EPOLLHUP | EPOLLERR)) end_of_response(v, false);
        }
        now = realtime_us();
        if (now - tick >= 500000) {
            double used = own_cpu();
            if (counting && (used - cpu) * 1e6 / (double)(now - tick) > busiest)
                busiest = (used - cpu) * 1e6 / (double)(now - tick);
            tick = now;
            cpu = used;
        }
    }
}

/* Bytes that the kernel holds for what the stalled streams have not read. */
static uint64_t unread(void) {
    uint64_t sum = 0;
    for (long i = 0; i < option_stall; i++) {
        uint32_t held[SK_MEMINFO_VARS] = {0};
        socklen_t size = sizeof held;
        if (viewers[i].fd >= 0 && !getsockopt(viewers[i].fd, SOL_SOCKET, SO_MEMINFO, held, &size))
            sum += held[SK_MEMINFO_RMEM_ALLOC] + held[SK_MEMINFO_FWD_ALLOC];
    }
    return sum;
}

static void report(void) {
    uint32_t least = UINT32_MAX, most = 0;
    for (long i = option_stall; i < option_viewers; i++) {
        if (viewers[i].marks < least) least = viewers[i].marks;
        if (viewers[i].marks > most) most = viewers[i].marks;
    }
    end_window();
    double seconds = (double)(window_ended - window_began) / 1e6;
    printf("{\"viewers\":%ld,\"opened\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"bad_status\":%" PRIu64
           ",\"first_bad_status\":%d,\"complete\":%" PRIu64 ",\"early_ends\":%" PRIu64 ",\"reconnects\":%" PRIu64,
           option_viewers, opened, refused, bad_status, first_bad_status, completed, early_ends, reconnects);
    printf(",\"gaps\":%" PRIu64 ",\"missing\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"backward\":%" PRIu64
           ",\"failed\":%" PRIu64 ",\"resets\":%" PRIu64 ",\"drains\":%" PRIu64,
           gaps, missing, duplicates, backward, failed, resets, drains);
    printf(",\"total_events\":%" PRIu64 ",\"total_marks\":%" PRIu64 ",\"total_bytes\":%" PRIu64
           ",\"least\":%u,\"most\":%u,", total_events, total_marks, total_bytes,
           option_stall < option_viewers ? least : 0, most);
    printf("\"unread\":%" PRIu64 ",", unread());
    printf("\"seconds\":%.3f,\"events\":%" PRIu64 ",\"marks\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"cpu\":%.4f,\"busiest\":%.3f,", seconds, events, marks, reads, bytes, cpu_ended - cpu_began, busiest);
    print_histogram("latency", &latency);
    putchar(',');
    print_histogram("first", &first);
    putchar(',');
    print_histogram("done", &done);
    puts("}");
}

int main(int count, char **words) {
    if (count < 4 || !read_options(count - 4, words + 4) || !read_requests(words[3])) {
        fprintf(stderr, "usage: sse_load HOST PORT REQUESTS [option value]...\n");
        return 1;
    }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[2]))};
    struct rlimit files = {(rlim_t)option_viewers + 100, (rlim_t)option_viewers + 100}, had;
    getrlimit(RLIMIT_NOFILE, &had);
    if (had.rlim_cur < files.rlim_cur) {
        if (files.rlim_max < had.rlim_max) files.rlim_max = had.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &files)) fprintf(stderr, "sse_load: %ld streams need more open files\n", option_viewers);
    }
    viewers = calloc((size_t)option_viewers, sizeof *viewers);
    poller = epoll_create1(EPOLL_CLOEXEC);
    if (!viewers || poller < 0 || inet_pton(AF_INET, words[1], &server.sin_addr) != 1) {
        fprintf(stderr, "sse_load: cannot begin: %s\n", strerror(errno));
        return 1;
    }
    for (long i = 0; i < option_viewers; i++) {
        viewers[i].fd = -1;
        viewers[i].serial = -1;
        viewers[i].stalled = i < option_stall;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    window_began = realtime_us();
    cpu_began = own_cpu();
    run();
    report();
    return 0;
}

/* The limit of fan-out: one loop of send(2) to all sockets that are open, and nothing else. bench/fans.py compiles and
 * runs it.
 *
 *   send_loop PORT RATE
 *
 * Answers every connection with an event stream. Between two SIGUSR1 it sends RATE events a second to each,
 * `@<us>;#<n>;` in about as many bytes as Midstream's. It ends at SIGTERM, or when a socket is full.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t sending, ending;
static int *sockets;
static size_t count, room;

static void on_signal(int number) {
    if (number == SIGUSR1) sending = !sending;
    else ending = 1;
}

static long long clock_us(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void answer(int fd) {
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    char request[4096];
    if (recv(fd, request, sizeof request, 0) <= 0 || send(fd, head, sizeof head - 1, MSG_NOSIGNAL) < 0) {
        close(fd);
        return;
    }
    if (count == room) sockets = realloc(sockets, (room = room * 2 + 1024) * sizeof *sockets);
    sockets[count++] = fd;
}

static void accept_all(int poller, int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event once = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &once);
    }
}

static void send_all(long serial) {
    char event[256];
    int size = sprintf(event,
                       "id: 1700000000000-%ld\nevent: delta\n"
                       "data: {\"t\":%ld,\"part\":0,\"kind\":\"text\",\"delta\":\"@%lld;#%ld;\"}\n\n",
                       serial, serial * 20, clock_us(CLOCK_REALTIME), serial);
    for (size_t i = 0; i < count; i++) {
        if (send(sockets[i], event, (size_t)size, MSG_NOSIGNAL) == size) continue;
        if (errno == EAGAIN) {
            fprintf(stderr, "send_loop: a socket is full\n");
            exit(1);
        }
        close(sockets[i]);
        sockets[i--] = sockets[--count];
    }
}

int main(int argc, char **argv) {
    int poller = epoll_create1(0), yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct rlimit files;
    if (argc != 3) return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("send_loop");
        return 1;
    }
    struct epoll_event acceptable = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &acceptable);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    puts("listening");
    fflush(stdout);
    long long began = 0, period = 1000000 / atol(argv[2]);
    long serial = 0;
    while (!ending) {
        long long now = clock_us(CLOCK_MONOTONIC);
        if (sending && !began) began = now;
        if (sending && now >= began + serial * period) {
            send_all(serial++);
            continue;
        }
        int wait = sending ? (int)((began + serial * period - now) / 1000) : 50;
        int n = epoll_wait(poller, ready, 256, wait);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) accept_all(poller, listener);
            else answer(ready[i].data.fd);
        }
    }
    return 0;
}

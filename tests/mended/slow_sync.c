// Preloaded into a Redis: each fdatasync and fsync takes as many ms as the file SLOW_SYNC/delay says, and writes which
// file is on disk up to which byte to SLOW_SYNC/synced.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static FILE *open_in_folder(const char *name, const char *mode) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", getenv("SLOW_SYNC"), name);
    return fopen(path, mode);
}

static int slow(int descriptor, const char *name) {
    int (*sync)(int) = dlsym(RTLD_NEXT, name);
    // What is written from here on need not be in it.
    struct stat before;
    if (fstat(descriptor, &before) != 0) return -1;
    char link[64], path[PATH_MAX] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (readlink(link, path, sizeof path - 1) < 0) return -1;
    long ms = 0;
    FILE *delay = open_in_folder("delay", "r");
    if (delay) {
        if (fscanf(delay, "%ld", &ms) != 1) ms = 0;
        fclose(delay);
    }
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    int result = sync(descriptor);
    FILE *synced = result == 0 ? open_in_folder("synced", "a") : NULL;
    if (synced) {
        fprintf(synced, "%lld %s\n", (long long)before.st_size, path);
        fclose(synced);
    }
    return result;
}

int fdatasync(int descriptor) { return slow(descriptor, "fdatasync"); }
int fsync(int descriptor) { return slow(descriptor, "fsync"); }

/* A load generator: keeps CONCURRENCY requests under way until REQUESTS are answered or SECONDS have passed.
 *
 *   load PORT PATH BODY_FILE CONCURRENCY REQUESTS SECONDS RAMP_US [HEADER ...]
 *
 * One connection per place, kept alive. RAMP_US apart the places begin. Where the body holds sixteen @ in a row, each
 * request has a number of its own instead. Requests that run when the time is over may
 * finish, for 60 s at most. Counts events ("data:" lines) and whether each stream ended with message_stop; times in
 * microseconds from the request's first byte. Prints one JSON object. One thread, loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_READY 512
#define MAX_HEAD 16384
#define GRACE_NS 60000000000ull
#define MAX_NUMBERS 16
#define NUMBER "@@@@@@@@@@@@@@@@"
#define NUMBER_SIZE (sizeof NUMBER - 1)

enum framing { LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER, UNTIL_CLOSE };

struct place {
    int fd;
    size_t sent;
    char head[MAX_HEAD];
    size_t head_size;
    int in_body, status, closing, stopped, wants_room;
    enum framing framing;
    long left;      /* bytes of the body, or of the chunk, that are still to come */
    char line[128]; /* the beginning of the line that the body is in */
    size_t line_size;
    uint64_t began_ns, first_event_ns, first_delta_ns;
};

struct times {
    double *us;
    long count, room;
};

static struct sockaddr_in address;
static char *request;
static size_t request_size;
static char *numbers[MAX_NUMBERS]; /* where the request has its own */
static int number_count;
static int poller, streamed;
static long wanted, issued, answered, refused, broken, unstopped, events, body_bytes, live;
static uint64_t until_ns;
static struct times latency, first_event, first_delta;
static char complaint[512];

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(struct times *times, uint64_t from_ns, uint64_t to_ns) {
    if (times->count == times->room) {
        times->room = times->room * 2 + 1024;
        times->us = realloc(times->us, (size_t)times->room * sizeof *times->us);
        if (!times->us) exit(1);
    }
    times->us[times->count++] = (double)(to_ns - from_ns) / 1e3;
}

static void watch(struct place *p, int wants_room) {
    p->wants_room = wants_room;
    struct epoll_event event = {.events = EPOLLIN | (wants_room ? EPOLLOUT : 0u), .data.ptr = p};
    epoll_ctl(poller, EPOLL_CTL_MOD, p->fd, &event);
}

static int push(struct place *p) {
    while (p->sent < request_size) {
        ssize_t sent = send(p->fd, request + p->sent, request_size - p->sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
            if (!p->wants_room) watch(p, 1);
            return 0;
        }
        if (sent < 0) return -1;
        p->sent += (size_t)sent;
    }
    if (p->wants_room) watch(p, 0);
    return 0;
}

/* All places send the same bytes: one that has sent only a part goes on with another's number, which is as new. */
static void number_request(void) {
    char digits[NUMBER_SIZE + 1];
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)now_ns());
    for (int i = 0; i < number_count; i++) memcpy(numbers[i], digits, NUMBER_SIZE);
}

static void begin(struct place *p) {
    issued++;
    if (number_count) number_request();
    p->sent = p->head_size = p->line_size = 0;
    p->in_body = p->status = p->closing = p->stopped = 0;
    p->first_event_ns = p->first_delta_ns = 0;
    p->began_ns = now_ns();
}

static void leave(struct place *p) {
    close(p->fd);
    p->fd = -1;
    live--;
}

static void dial(struct place *p) {
    int on = 1;
    begin(p);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    live++;
    if (connect(p->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) {
        broken++;
        leave(p);
        return;
    }
    p->wants_room = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = p};
    epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &event);
}

static int may_begin(void) { return issued < wanted && now_ns() < until_ns && broken < 1000; }

static void read_line(struct place *p, uint64_t now) {
    p->line[p->line_size] = 0;
    if (!memcmp(p->line, "data:", 5)) {
        events++;
        if (!p->first_event_ns) p->first_event_ns = now;
        if (!p->first_delta_ns && strstr(p->line, "content_block_delta")) p->first_delta_ns = now;
    }
    if (strstr(p->line, "message_stop")) p->stopped = 1;
    p->line_size = 0;
}

/* Only the beginning of each line is kept: it says what the event is. */
static void read_stream(struct place *p, const char *data, size_t size, uint64_t now) {
    const char *end = data + size;
    while (data < end) {
        const char *line_end = memchr(data, '\n', (size_t)(end - data));
        size_t piece = (size_t)((line_end ? line_end : end) - data), room = sizeof p->line - 1 - p->line_size;
        memcpy(p->line + p->line_size, data, piece < room ? piece : room);
        p->line_size += piece < room ? piece : room;
        if (!line_end) return;
        read_line(p, now);
        data = line_end + 1;
    }
}

static void read_body(struct place *p, const char *data, size_t size, uint64_t now) {
    body_bytes += (long)size;
    if (streamed) read_stream(p, data, size, now);
    else if (!p->first_event_ns) p->first_event_ns = now;
}

static char *header(struct place *p, const char *name) {
    char *found = strcasestr(p->head, name);
    return found ? found + strlen(name) : NULL;
}

/* Returns how many of the bytes belonged to the head. */
static size_t read_head(struct place *p, const char *data, size_t size) {
    size_t room = MAX_HEAD - 1 - p->head_size, before = p->head_size;
    size_t taken = size < room ? size : room;
    memcpy(p->head + p->head_size, data, taken);
    p->head_size += taken;
    p->head[p->head_size] = 0;
    char *end = strstr(p->head, "\r\n\r\n");
    if (!end) return size;
    *end = 0;
    p->in_body = 1;
    p->status = atoi(p->head + 9);
    char *length = header(p, "\ncontent-length:");
    p->framing = header(p, "\ntransfer-encoding: chunked") ? CHUNK_SIZE : length ? LENGTH : UNTIL_CLOSE;
    p->left = length ? atol(length) : 0;
    p->closing = header(p, "\nconnection: close") != NULL;
    size_t used = (size_t)(end - p->head) + 4 - before;
    if (p->status != 200 && !*complaint)
        snprintf(complaint, sizeof complaint, "status %d: %.*s", p->status, (int)(size - used < 300 ? size - used : 300), data + used);
    if (p->framing == CHUNK_SIZE) p->left = 0;
    return used;
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

/* Feeds what has come; 1 once the answer is complete. */
static int feed(struct place *p, const char *data, size_t size, uint64_t now) {
    const char *end = data + size;
    if (!p->in_body) data += read_head(p, data, size);
    if (!p->in_body) return 0;
    if (p->framing == LENGTH && !p->left) return 1;
    while (data < end) {
        switch (p->framing) {
        case UNTIL_CLOSE:
            read_body(p, data, (size_t)(end - data), now);
            return 0;
        case LENGTH:
        case CHUNK_DATA: {
            long piece = end - data < p->left ? end - data : p->left;
            read_body(p, data, (size_t)piece, now);
            data += piece;
            p->left -= piece;
            if (!p->left && p->framing == LENGTH) return 1;
            if (!p->left) p->framing = CHUNK_END;
            break;
        }
        case CHUNK_SIZE:
            if (*data == '\n') p->framing = p->left ? CHUNK_DATA : TRAILER;
            else if (*data != '\r') p->left = p->left * 16 + hex(*data);
            data++;
            break;
        case CHUNK_END:
            if (*data++ == '\n') p->framing = CHUNK_SIZE;
            break;
        case TRAILER:
            if (*data++ == '\n') return 1;
        }
    }
    return 0;
}

static void finish(struct place *p, uint64_t now) {
    answered++;
    if (p->status != 200) {
        refused++;
    } else {
        if (streamed && !p->stopped) unstopped++;
        note(&latency, p->began_ns, now);
        if (p->first_event_ns) note(&first_event, p->began_ns, p->first_event_ns);
        if (p->first_delta_ns) note(&first_delta, p->began_ns, p->first_delta_ns);
    }
    if (p->closing) {
        leave(p);
        if (may_begin()) dial(p);
    } else if (!may_begin()) {
        leave(p);
    } else {
        begin(p);
        if (push(p) < 0) broken++, leave(p);
    }
}

static void lost(struct place *p) {
    int complete = p->in_body && p->framing == UNTIL_CLOSE;
    p->closing = 1;
    if (complete) {
        finish(p, now_ns());
        return;
    }
    broken++;
    leave(p);
    if (may_begin()) dial(p);
}

static void serve(struct place *p, uint32_t happened) {
    static char data[262144];
    if (p->fd < 0) return;
    if (happened & EPOLLOUT && push(p) < 0) {
        lost(p);
        return;
    }
    if (!(happened & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t got = recv(p->fd, data, sizeof data, 0);
    if (got < 0 && errno == EAGAIN) return;
    uint64_t now = now_ns();
    if (got <= 0) lost(p);
    else if (feed(p, data, (size_t)got, now)) finish(p, now);
}

/* Wakes the loop each time that another place begins: epoll counts in milliseconds, which would have several begin at once. */
static int make_ramp(uint64_t ramp_ns) {
    int ramp = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct timespec pause = {.tv_sec = (time_t)(ramp_ns / 1000000000u), .tv_nsec = (long)(ramp_ns % 1000000000u)};
    struct itimerspec each = {.it_interval = pause, .it_value = pause};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    timerfd_settime(ramp, 0, &each, NULL);
    epoll_ctl(poller, EPOLL_CTL_ADD, ramp, &event);
    return ramp;
}

static void make_request(int count, char **words) {
    FILE *file = fopen(words[3], "rb");
    if (!file) perror(words[3]), exit(1);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), head = 0;
    rewind(file);
    request = malloc(size + 8192);
    head += (size_t)sprintf(request, "POST %s HTTP/1.1\r\nhost: 127.0.0.1:%s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n", words[2], words[1], size);
    for (int i = 8; i < count; i++) head += (size_t)sprintf(request + head, "%s\r\n", words[i]);
    head += (size_t)sprintf(request + head, "\r\n");
    if (fread(request + head, 1, size, file) != size) perror(words[3]), exit(1);
    fclose(file);
    request_size = head + size;
    char *at = request + head, *end = request + request_size;
    while (number_count < MAX_NUMBERS && (at = memmem(at, (size_t)(end - at), NUMBER, NUMBER_SIZE))) {
        numbers[number_count++] = at;
        at += NUMBER_SIZE;
    }
    streamed = memmem(request + head, size, "\"stream\":true", 13) != NULL;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void print_times(const char *name, struct times *times) {
    long n = times->count;
    if (n) qsort(times->us, (size_t)n, sizeof *times->us, by_size);
    printf(", \"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f}", name, n ? times->us[n / 2] : 0, n ? times->us[n * 9 / 10] : 0,
           n ? times->us[n * 99 / 100] : 0);
}

int main(int count, char **words) {
    if (count < 8) return fprintf(stderr, "usage: load PORT PATH BODY CONCURRENCY REQUESTS SECONDS RAMP_US [HEADER ...]\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    make_request(count, words);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(words[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    long concurrency = atol(words[4]), started = 0;
    uint64_t ramp_ns = strtoull(words[7], NULL, 10) * 1000, began = now_ns();
    wanted = atol(words[5]);
    until_ns = began + (uint64_t)(atof(words[6]) * 1e9);
    poller = epoll_create1(0);
    struct place *places = calloc((size_t)concurrency, sizeof *places);
    struct epoll_event ready[MAX_READY];
    int ramp = ramp_ns ? make_ramp(ramp_ns) : -1;
    while (now_ns() < until_ns + GRACE_NS) {
        while (started < concurrency && may_begin() && now_ns() >= began + (uint64_t)started * ramp_ns) dial(&places[started++]);
        if (!live && (started == concurrency || !may_begin())) break;
        if (ramp >= 0 && started == concurrency) close(ramp), ramp = -1;
        int happened = epoll_wait(poller, ready, MAX_READY, 200);
        for (int i = 0; i < happened; i++) {
            uint64_t ticks; /* read, or the timer would not go on */
            if (ready[i].data.ptr) serve(ready[i].data.ptr, ready[i].events);
            else if (read(ramp, &ticks, sizeof ticks) < 0 && errno != EAGAIN) return perror("timer"), 1;
        }
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"ok\": %ld, \"refused\": %ld, \"broken\": %ld, \"unstopped\": %ld, \"unfinished\": %ld, \"seconds\": %.4f, \"events\": %ld, \"bytes\": %ld, \"own_cpu_s\": %.3f",
           answered - refused, refused, broken, unstopped, live, seconds, events, body_bytes,
           (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    print_times("latency_us", &latency);
    print_times("first_event_us", &first_event);
    print_times("first_delta_us", &first_delta);
    printf("}\n");
    if (*complaint) fprintf(stderr, "%s\n", complaint);
    return 0;
}

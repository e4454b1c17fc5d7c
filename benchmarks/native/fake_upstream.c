/* An upstream that answers at once, out of files, as fast as one thread can: what is measured is what stands before it.
 *
 *   fake_upstream PORT DIRECTORY
 *
 * DIRECTORY holds PROTOCOL.WORKLOAD.whole (a JSON answer) and PROTOCOL.WORKLOAD.events (of each event its length in
 * decimal, a line feed, its bytes). The path says which protocol is spoken, the model's name which workload and pace are
 * wanted: bench-WORKLOAD-PACE. Each event of a stream is a chunk and a write of its own. Loopback only.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_ANSWERS 64
#define MAX_READY 512
#define READ_ROOM 65536

struct bytes {
    char *data;
    size_t size;
};

struct answer {
    char name[64]; /* PROTOCOL.WORKLOAD */
    struct bytes whole;
    struct bytes *events;
    int count;
};

struct pace {
    const char *name;
    uint64_t gap_ns;
    struct connection *first, *last; /* waiting, the next to speak first: all of one pace wait equally long */
};

struct connection {
    int fd;
    char *in;
    size_t in_size, in_room;
    char *out; /* what the socket had no room for */
    size_t out_at, out_size, out_room;
    const struct answer *answer; /* the stream that is being sent, if any */
    int next_event;
    struct pace *pace;
    uint64_t due_ns;
    struct connection *before, *after; /* in the pace's queue */
    int queued, waits_for_room, dead;
    struct connection *next_dead;
};

static struct answer answers[MAX_ANSWERS];
static int answer_count;
static struct pace paces[] = {{"burst", 0, 0, 0}, {"quick", 2000000, 0, 0}, {"paced", 20000000, 0, 0}, {"slow", 700000000, 0, 0}};
static const int pace_count = sizeof paces / sizeof *paces;
static int poller, timer;
static char listening, ticking; /* their addresses tell events apart */
static struct connection *dead;

static const char stream_head[] =
    "HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 09:00:00 GMT\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    "transfer-encoding: chunked\r\nconnection: keep-alive\r\nx-request-id: req_0123456789abcdef\r\n\r\n";
static const char last_chunk[] = "0\r\n\r\n";

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *room_for(void *old, size_t size) {
    void *made = realloc(old, size);
    if (!made) fail("memory");
    return made;
}

/* Answers, read once at start. */

static struct bytes read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail(path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    struct bytes read = {room_for(NULL, (size_t)size + 1), (size_t)size};
    if (fread(read.data, 1, read.size, file) != read.size) fail(path);
    read.data[size] = 0;
    fclose(file);
    return read;
}

static struct bytes framed(const char *before, int before_size, struct bytes body, const char *after) {
    size_t tail = strlen(after);
    struct bytes made = {room_for(NULL, (size_t)before_size + body.size + tail), (size_t)before_size + body.size + tail};
    memcpy(made.data, before, (size_t)before_size);
    memcpy(made.data + before_size, body.data, body.size);
    memcpy(made.data + before_size + body.size, after, tail);
    return made;
}

static struct answer *answer_named(const char *name, size_t size) {
    for (int i = 0; i < answer_count; i++)
        if (strlen(answers[i].name) == size && !memcmp(answers[i].name, name, size)) return &answers[i];
    if (answer_count == MAX_ANSWERS || size >= sizeof answers->name) return NULL;
    memcpy(answers[answer_count].name, name, size);
    return &answers[answer_count++];
}

static void read_events(struct answer *answer, struct bytes file) {
    char *at = file.data, *end = file.data + file.size;
    while (at < end) {
        char *start;
        struct bytes event = {NULL, strtoul(at, &start, 10)};
        event.data = start + 1;
        char size[32];
        int size_length = sprintf(size, "%zx\r\n", event.size);
        answer->events = room_for(answer->events, (size_t)(answer->count + 1) * sizeof *answer->events);
        answer->events[answer->count++] = framed(size, size_length, event, "\r\n");
        at = event.data + event.size;
    }
}

static void read_answers(const char *directory) {
    DIR *listed = opendir(directory);
    if (!listed) fail(directory);
    for (struct dirent *entry; (entry = readdir(listed));) {
        char *suffix = strrchr(entry->d_name, '.');
        if (!suffix || (strcmp(suffix, ".whole") && strcmp(suffix, ".events"))) continue;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        struct bytes file = read_file(path);
        struct answer *answer = answer_named(entry->d_name, (size_t)(suffix - entry->d_name));
        if (!answer) continue;
        if (!strcmp(suffix, ".events")) {
            read_events(answer, file);
            continue;
        }
        char head[512];
        int size = sprintf(head,
                           "HTTP/1.1 200 OK\r\ndate: Wed, 25 Nov 2026 09:00:00 GMT\r\ncontent-type: application/json\r\n"
                           "content-length: %zu\r\nconnection: keep-alive\r\nx-request-id: req_0123456789abcdef\r\n\r\n",
                           file.size);
        answer->whole = framed(head, size, file, "");
    }
    closedir(listed);
}

/* Sending: at once, and what the socket does not take when it has room again. */

static void want_room(struct connection *c, int wanted) {
    if (c->waits_for_room == wanted) return;
    c->waits_for_room = wanted;
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | (wanted ? EPOLLOUT : 0u), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static int send_bytes(struct connection *c, const char *data, size_t size) {
    if (c->out_at == c->out_size) {
        ssize_t sent = send(c->fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return -1;
        if (sent > 0) data += sent, size -= (size_t)sent;
        if (!size) return 0;
        c->out_at = c->out_size = 0;
    }
    if (c->out_size + size > c->out_room) c->out = room_for(c->out, c->out_room = (c->out_size + size) * 2);
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
    want_room(c, 1);
    return 0;
}

static int send_kept(struct connection *c) {
    while (c->out_at < c->out_size) {
        ssize_t sent = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? 0 : -1;
        c->out_at += (size_t)sent;
    }
    want_room(c, 0);
    return 0;
}

/* Queues of streams that wait for the time of their next event. */

static void enqueue(struct connection *c, uint64_t due_ns) {
    struct pace *pace = c->pace;
    c->due_ns = due_ns;
    c->after = NULL;
    c->before = pace->last;
    if (pace->last) pace->last->after = c;
    else pace->first = c;
    pace->last = c;
    c->queued = 1;
}

static void dequeue(struct connection *c) {
    if (!c->queued) return;
    if (c->before) c->before->after = c->after;
    else c->pace->first = c->after;
    if (c->after) c->after->before = c->before;
    else c->pace->last = c->before;
    c->queued = 0;
}

static void bury(struct connection *c) {
    if (c->dead) return;
    dequeue(c);
    close(c->fd);
    c->dead = 1;
    c->next_dead = dead; /* freed once no event of this round can name it any more */
    dead = c;
}

static int speak(struct connection *c) {
    const struct answer *answer = c->answer;
    struct bytes event = answer->events[c->next_event++];
    if (send_bytes(c, event.data, event.size) < 0) return -1;
    if (c->next_event < answer->count) return 0;
    c->answer = NULL;
    return send_bytes(c, last_chunk, sizeof last_chunk - 1);
}

static int go_on(struct connection *c) {
    if (c->pace->gap_ns) {
        uint64_t before = now_ns();
        if (speak(c) < 0) return -1;
        if (c->answer) enqueue(c, before + c->pace->gap_ns);
        return 0;
    }
    while (c->answer && c->out_at == c->out_size)
        if (speak(c) < 0) return -1;
    return 0;
}

/* Requests. */

static const char *protocol_of(const char *line) {
    if (strstr(line, "/chat/completions")) return "openai_chat";
    if (strstr(line, "/responses")) return "openai_responses";
    if (strcasestr(line, "generateContent")) return "gemini";
    if (strstr(line, "/messages")) return "anthropic";
    return NULL;
}

static struct pace *pace_named(const char *name) {
    for (int i = 0; i < pace_count; i++)
        if (!strncmp(name, paces[i].name, strlen(paces[i].name))) return &paces[i];
    return NULL;
}

static int not_found(struct connection *c) {
    static const char told[] = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    return send_bytes(c, told, sizeof told - 1);
}

static int answer_request(struct connection *c, char *line, char *body, size_t body_size) {
    const char *protocol = protocol_of(line);
    char *wanted = strstr(line, "bench-");
    if (!wanted) wanted = memmem(body, body_size, "bench-", 6);
    char *dash = wanted ? strchr(wanted + 6, '-') : NULL;
    struct pace *pace = dash ? pace_named(dash + 1) : NULL;
    if (!protocol || !pace || dash - wanted > 40) return not_found(c);
    char name[64];
    int size = snprintf(name, sizeof name, "%s.%.*s", protocol, (int)(dash - wanted - 6), wanted + 6);
    struct answer *answer = answer_named(name, (size_t)size);
    if (!answer || !answer->whole.data || !answer->count) return not_found(c);
    int streamed = strstr(line, ":stream") || memmem(body, body_size, "\"stream\":true", 13) ||
                   memmem(body, body_size, "\"stream\": true", 14);
    if (!streamed) return send_bytes(c, answer->whole.data, answer->whole.size);
    c->answer = answer;
    c->next_event = 0;
    c->pace = pace;
    if (send_bytes(c, stream_head, sizeof stream_head - 1) < 0) return -1;
    return go_on(c);
}

/* Answers the requests that are complete, one after the other. */
static int take_requests(struct connection *c) {
    while (c->in_size && !c->answer) {
        char *end = memmem(c->in, c->in_size, "\r\n\r\n", 4);
        if (!end) return 0;
        size_t head = (size_t)(end - c->in) + 4, body = 0;
        *end = 0;
        char *length = strcasestr(c->in, "\ncontent-length:");
        int chunked = strcasestr(c->in, "\ntransfer-encoding:") != NULL;
        *end = '\r';
        if (chunked) {
            char *last = memmem(c->in + head, c->in_size - head, "\r\n0\r\n\r\n", 7);
            if (!last) return 0;
            body = (size_t)(last - c->in) + 7 - head;
        } else if (length) {
            body = strtoul(length + 16, NULL, 10);
        }
        if (c->in_size < head + body) return 0;
        char *line_end = memchr(c->in, '\r', head);
        *line_end = 0;
        if (answer_request(c, c->in, c->in + head, body) < 0) return -1;
        c->in_size -= head + body;
        memmove(c->in, c->in + head + body, c->in_size);
    }
    return 0;
}

static int receive(struct connection *c) {
    for (;;) {
        if (c->in_room - c->in_size <= READ_ROOM) c->in = room_for(c->in, c->in_room = c->in_room * 2 + 2 * READ_ROOM);
        size_t room = c->in_room - c->in_size - 1;
        ssize_t got = recv(c->fd, c->in + c->in_size, room, 0);
        if (got == 0) return -1;
        if (got < 0) return errno == EAGAIN ? take_requests(c) : -1;
        c->in_size += (size_t)got;
        c->in[c->in_size] = 0;
        if ((size_t)got < room) return take_requests(c);
    }
}

static void accept_all(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = calloc(1, sizeof *c);
        if (!c) fail("memory");
        c->fd = fd;
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void serve(struct connection *c, uint32_t happened) {
    if (c->dead) return;
    int failed = happened & (EPOLLHUP | EPOLLERR) ? -1 : 0;
    if (!failed && happened & EPOLLOUT) failed = send_kept(c);
    if (!failed && happened & EPOLLOUT && c->answer && !c->pace->gap_ns) failed = go_on(c);
    if (!failed && happened & (EPOLLIN | EPOLLRDHUP)) failed = receive(c);
    else if (!failed && !c->answer) failed = take_requests(c);
    if (failed) bury(c);
}

static void speak_due(void) {
    uint64_t now = now_ns();
    for (int i = 0; i < pace_count; i++)
        for (struct connection *c; (c = paces[i].first) && c->due_ns <= now;) {
            uint64_t due = c->due_ns;
            dequeue(c);
            if (speak(c) < 0) bury(c);
            else if (c->answer) enqueue(c, due + c->pace->gap_ns > now ? due + c->pace->gap_ns : now + c->pace->gap_ns);
            else if (take_requests(c) < 0) bury(c);
        }
}

static void set_timer(void) {
    uint64_t next = 0;
    for (int i = 0; i < pace_count; i++)
        if (paces[i].first && (!next || paces[i].first->due_ns < next)) next = paces[i].first->due_ns;
    struct itimerspec when = {.it_value = {(time_t)(next / 1000000000u), (long)(next % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) fail("listen");
    return fd;
}

int main(int count, char **words) {
    if (count != 3) return fprintf(stderr, "usage: fake_upstream PORT DIRECTORY\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    read_answers(words[2]);
    int listener = listen_on(atoi(words[1]));
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listening};
    struct epoll_event on_timer = {.events = EPOLLIN, .data.ptr = &ticking};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &on_listener);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &on_timer);
    struct epoll_event ready[MAX_READY];
    for (;;) {
        set_timer();
        int happened = epoll_wait(poller, ready, MAX_READY, -1);
        for (int i = 0; i < happened; i++) {
            uint64_t ticks;
            if (ready[i].data.ptr == &listening) accept_all(listener);
            else if (ready[i].data.ptr != &ticking) serve(ready[i].data.ptr, ready[i].events);
            else if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) fail("timer");
        }
        speak_due();
        for (struct connection *c; (c = dead);) {
            dead = c->next_dead;
            free(c->in);
            free(c->out);
            free(c);
        }
    }
}

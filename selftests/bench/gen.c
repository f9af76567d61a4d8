// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet generator of the benchmark, pinned to one CPU by its caller.
 *
 *   gen udp SECONDS SIZE ADDRESS PORT COUNTER
 *	send UDP datagrams that make IP packets of SIZE bytes
 *   gen raw SECONDS FILE DEVICE COUNTER
 *	send the frames of FILE again and again
 *   gen capture COUNT FILE DEVICE
 *	put the next COUNT frames that DEVICE sends into FILE
 *   gen instance NAME
 *	have the kernel make the instance NAME of an AEAD template
 *
 * COUNTER is a file with a number, a statistic of the receiving end; it is read
 * after a warm-up and again SECONDS later. Prints what has arrived, what has
 * been sent, and the nanoseconds between the readings.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_alg.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS	200000000ULL
#define CLOCK_EVERY	16
#define MAX_FRAMES	512
#define MAX_FRAME	2048
#define IP_UDP_HEADERS	28
/* Frames on their way at most, where no socket buffer limits them. */
#define WINDOW		192
#define LOST_NS		20000000ULL
/* Long enough not to disturb who works, and a part of WINDOW's time. */
#define NAP_NS		500000

struct frame {
	unsigned int len;
	unsigned char data[MAX_FRAME];
};

static struct frame frames[MAX_FRAMES];
static unsigned int nr_frames;

static void die(const char *what)
{
	fprintf(stderr, "gen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static unsigned long long counter(const char *path)
{
	static int fd = -1;
	char buf[32] = "";

	if (fd < 0)
		fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, buf, sizeof(buf) - 1, 0) <= 0)
		die(path);
	return strtoull(buf, NULL, 10);
}

/* Wait until no more than WINDOW frames are on their way; some may get lost. */
static void wait_window(const char *path, unsigned long long sent)
{
	static unsigned long long lost;
	const struct timespec nap = { .tv_nsec = NAP_NS };
	unsigned long long since = now_ns();
	unsigned long long last = 0, n;

	while ((n = counter(path)) + lost + WINDOW < sent) {
		if (n != last) {
			last = n;
			since = now_ns();
		} else if (now_ns() - since > LOST_NS) {
			lost = sent - n;
		}
		nanosleep(&nap, NULL);
	}
}

/* Send until the time is over; the socket's buffer holds us back, or @window. */
static void flood(int fd, double seconds, const char *count_path, int window)
{
	unsigned long long first = counter(count_path);
	unsigned long long sent = 0, sent0 = 0, count0 = 0;
	unsigned long long start = now_ns(), t = start, t0 = 0;
	unsigned long long span = seconds * 1e9;

	for (;;) {
		const struct frame *f = &frames[sent % nr_frames];

		if (send(fd, f->data, f->len, 0) < 0) {
			if (errno != ENOBUFS && errno != EINTR)
				die("send");
			continue;
		}
		if (++sent % CLOCK_EVERY)
			continue;
		if (window)
			wait_window(count_path, first + sent);
		t = now_ns();
		if (!t0 && t - start >= WARM_UP_NS) {
			sent0 = sent;
			count0 = counter(count_path);
			t0 = now_ns();
		} else if (t0 && t - t0 >= span) {
			break;
		}
	}
	printf("%llu %llu %llu\n", counter(count_path) - count0, sent - sent0,
	       now_ns() - t0);
}

static int packet_socket(const char *dev, int protocol)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(protocol));

	if (fd < 0 || !ll.sll_ifindex ||
	    bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		die(dev);
	return fd;
}

static void udp(char **argv)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(argv[3])),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (inet_pton(AF_INET, argv[2], &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(argv[2]);
	frames[0].len = atoi(argv[1]) - IP_UDP_HEADERS;
	if (frames[0].len > MAX_FRAME)
		die(argv[1]);
	nr_frames = 1;
	flood(fd, atof(argv[0]), argv[4], 0);
}

static void raw(char **argv)
{
	int fd = open(argv[1], O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, frames, sizeof(frames));

	if (n <= 0)
		die(argv[1]);
	nr_frames = n / sizeof(frames[0]);
	flood(packet_socket(argv[2], 0), atof(argv[0]), argv[3], 1);
}

static void capture(char **argv)
{
	unsigned int want = atoi(argv[0]);
	int fd = packet_socket(argv[2], ETH_P_ALL), out;

	/* the caller starts the traffic when it sees this */
	puts("ready");
	fflush(stdout);
	while (nr_frames < want && nr_frames < MAX_FRAMES) {
		struct frame *f = &frames[nr_frames];
		ssize_t n = recv(fd, f->data, sizeof(f->data), 0);

		if (n < 0)
			die("recv");
		f->len = n;
		nr_frames++;
	}
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (out < 0 || write(out, frames, nr_frames * sizeof(frames[0])) < 0)
		die(argv[1]);
}

/* Its name can be longer than struct sockaddr_alg provides for. */
static void instance(const char *name)
{
	struct sockaddr_alg alg = {
		.salg_family = AF_ALG,
		.salg_type = "aead",
	};
	size_t head = offsetof(struct sockaddr_alg, salg_name);
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);
	char buf[sizeof(struct sockaddr_storage)] = "";

	memcpy(buf, &alg, head);
	if (strlen(name) >= sizeof(buf) - head) {
		errno = ENAMETOOLONG;
		die(name);
	}
	memcpy(buf + head, name, strlen(name));
	if (fd < 0 || bind(fd, (struct sockaddr *)buf, sizeof(buf)))
		die(name);
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "udp"))
		udp(argv + 2);
	else if (argc == 6 && !strcmp(argv[1], "raw"))
		raw(argv + 2);
	else if (argc == 5 && !strcmp(argv[1], "capture"))
		capture(argv + 2);
	else if (argc == 3 && !strcmp(argv[1], "instance"))
		instance(argv[2]);
	else
		return 2;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet generator of the benchmark, pinned to one CPU by its caller.
 *
 *   gen udp SECONDS SIZE ADDRESS PORT COUNTER
 *	send UDP datagrams that make IP packets of SIZE bytes
 *   gen raw SECONDS FILE DEVICE COUNTER
 *	send the frames of FILE again and again
 *   gen count-udp NUMBER SIZE ADDRESS PORT COUNTER CONTROL
 *   gen count-raw NUMBER FILE DEVICE COUNTER CONTROL
 *	so many of them, after some to warm up; the work for them is between two
 *	marks of ../qemu/plugins/insnprof.c
 *   gen capture COUNT FILE DEVICE
 *	put the next COUNT frames that DEVICE sends into FILE
 *   gen instance NAME
 *	have the kernel make the instance NAME of an AEAD template
 *
 * COUNTER is a file with a number, a statistic of the receiving end; it is read
 * after a warm-up and again SECONDS later. Prints what has arrived, what has
 * been sent, and the nanoseconds between the readings; with a NUMBER also by
 * how much the counters of the emulated engine rose, whose control block is at
 * the physical address CONTROL (../qemu/README.md).
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
#include <sys/mman.h>
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
/* In naps, not in time: where instructions are counted the clock leaps while the host reads. */
#define LOST_NAPS	40
/* Long enough not to disturb who works, and a part of WINDOW's time. */
#define NAP_NS		500000

#define WARM_UP_PACKETS	256
#define QUIET_NAPS	400
#define STATS		0x100
#define NR_STATS	13

/* Instructions that do nothing but tell the plugin. */
#if defined(__mips__)
#define MARK(n)		__asm__ volatile (".word %0" : : "i" (0x2c00e500 + (n)) : "memory")
#elif defined(__aarch64__)
#define MARK(n)		__asm__ volatile ("movz xzr, %0" : : "i" (0xe500 + (n)) : "memory")
#else
#define MARK(n)		do { } while (0)
#endif
#define MARK_START	1
#define MARK_STOP	2
#define MARK_CLEAR	3

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
	unsigned long long last = 0, n;
	int naps = 0;

	while ((n = counter(path)) + lost + WINDOW < sent) {
		if (n != last) {
			last = n;
			naps = 0;
		} else if (naps++ > LOST_NAPS) {
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

/* Wait until @n more have arrived than @first, or no more do. */
static unsigned long long wait_for(const char *path, unsigned long long first,
				   unsigned long long n)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	unsigned long long last = 0, got;
	int naps = 0;

	while ((got = counter(path) - first) < n) {
		if (got != last) {
			last = got;
			naps = 0;
		} else if (naps++ > QUIET_NAPS) {
			break;
		}
		nanosleep(&nap, NULL);
	}
	return got;
}

/* Send so many; the socket's buffer holds us back, or @window. */
static void burst(int fd, unsigned long long number, const char *count_path,
		  int window)
{
	unsigned long long first = counter(count_path), sent = 0;

	while (sent < number) {
		const struct frame *f = &frames[sent % nr_frames];

		if (send(fd, f->data, f->len, 0) < 0) {
			if (errno != ENOBUFS && errno != EINTR)
				die("send");
			continue;
		}
		if (!(++sent % CLOCK_EVERY) && window)
			wait_window(count_path, first + sent);
	}
}

static volatile unsigned int *control_block(const char *address)
{
	off_t at = strtoull(address, NULL, 0);
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	void *p;

	if (fd < 0)
		die("/dev/mem");
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void read_stats(volatile unsigned int *block, unsigned long long *stats)
{
	for (int i = 0; i < NR_STATS; i++) {
		unsigned int low = block[(STATS + 8 * i) / 4];

		stats[i] = low | (unsigned long long)block[(STATS + 8 * i) / 4 + 1] << 32;
	}
}

static void counted(int fd, unsigned long long number, const char *count_path,
		    const char *control, int window)
{
	volatile unsigned int *block = control_block(control);
	unsigned long long before[NR_STATS], after[NR_STATS], first, t, got;

	first = counter(count_path);
	burst(fd, WARM_UP_PACKETS, count_path, window);
	wait_for(count_path, first, WARM_UP_PACKETS);

	first = counter(count_path);
	read_stats(block, before);
	t = now_ns();
	MARK(MARK_CLEAR);
	MARK(MARK_START);
	burst(fd, number, count_path, window);
	got = wait_for(count_path, first, number);
	MARK(MARK_STOP);
	t = now_ns() - t;
	read_stats(block, after);

	printf("%llu %llu %llu", got, number, t);
	for (int i = 0; i < NR_STATS; i++)
		printf(" %llu", after[i] - before[i]);
	putchar('\n');
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

static int udp_socket(const char *size, const char *address, const char *port)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(port)),
	};
	/* No checksum: with ESP the sender or GRO would make it, not a NIC. */
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)))
		die("SO_NO_CHECK");
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die(address);
	frames[0].len = atoi(size) - IP_UDP_HEADERS;
	if (frames[0].len > MAX_FRAME)
		die(size);
	nr_frames = 1;
	return fd;
}

static int raw_socket(const char *file, const char *dev)
{
	int fd = open(file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, frames, sizeof(frames));

	if (n <= 0)
		die(file);
	nr_frames = n / sizeof(frames[0]);
	return packet_socket(dev, 0);
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
		flood(udp_socket(argv[3], argv[4], argv[5]), atof(argv[2]),
		      argv[6], 0);
	else if (argc == 6 && !strcmp(argv[1], "raw"))
		flood(raw_socket(argv[3], argv[4]), atof(argv[2]), argv[5], 1);
	else if (argc == 8 && !strcmp(argv[1], "count-udp"))
		counted(udp_socket(argv[3], argv[4], argv[5]), atoll(argv[2]),
			argv[6], argv[7], 0);
	else if (argc == 7 && !strcmp(argv[1], "count-raw"))
		counted(raw_socket(argv[3], argv[4]), atoll(argv[2]), argv[5],
			argv[6], 1);
	else if (argc == 5 && !strcmp(argv[1], "capture"))
		capture(argv + 2);
	else if (argc == 3 && !strcmp(argv[1], "instance"))
		instance(argv[2]);
	else
		return 2;
	return 0;
}

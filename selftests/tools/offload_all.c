// SPDX-License-Identifier: GPL-2.0-only
/*
 * LD_PRELOAD: every ESP state that a program adds over netlink is asked to be
 * offloaded, whatever the program is: ip, in whatever way a script calls it, and
 * programs that speak netlink themselves.
 *
 * The device and the direction are those of the state's local address, in the
 * name space that the program is in. A request that names a device already is not
 * touched. For each state a line is appended to $OFFLOAD_LOG:
 *
 *   offloaded DEV in|out SPI     the kernel, asked afterwards, says so
 *   software DEV in|out SPI      it was asked for and has not been granted
 *   by-if_id DEV in SPI          the same, of an xfrm interface's inbound state, which
 *                                the layer leaves to software before 6.16
 *   refused DEV in|out SPI       there is no such state: the request failed
 *   left REASON SPI              the kernel would refuse the whole state
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#define MAX_MSG		8192
#define MAX_IOV		64
/* Headers of the oldest system do not have it. */
#define SA_DIR		33
#define SA_DIR_OUT	2

struct want {
	char dev[IF_NAMESIZE];
	int ifindex;
	int inbound;
};

/* Bytes that a message header may lie in. */
union buffer {
	struct nlmsghdr nlh;
	char bytes[MAX_MSG];
};

static int is_xfrm(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	       domain == AF_NETLINK &&
	       !getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
	       protocol == NETLINK_XFRM;
}

static struct nlattr *find_attr(struct nlmsghdr *nlh, int type)
{
	char *p = (char *)NLMSG_DATA(nlh) + NLMSG_ALIGN(sizeof(struct xfrm_usersa_info));
	char *end = (char *)nlh + nlh->nlmsg_len;

	while (p + sizeof(struct nlattr) <= end) {
		struct nlattr *a = (struct nlattr *)p;

		if (a->nla_len < sizeof(*a))
			break;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		p += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

static int version(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	if (sscanf(u.release, "%d.%d", &major, &minor) != 2)
		return 0;
	return major * 1000 + minor;
}

static void note(const char *what, const struct want *w, unsigned int spi)
{
	const char *path = getenv("OFFLOAD_LOG");
	char line[128];
	int fd, n;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	if (w)
		n = snprintf(line, sizeof(line), "%s %s %s 0x%08x\n", what, w->dev,
			     w->inbound ? "in" : "out", spi);
	else
		n = snprintf(line, sizeof(line), "left %s 0x%08x\n", what, spi);
	if (write(fd, line, n) != n)
		perror("OFFLOAD_LOG");
	close(fd);
}

static int same_addr(const struct sockaddr *sa, int family,
		     const xfrm_address_t *addr)
{
	if (!sa || sa->sa_family != family)
		return 0;
	if (family == AF_INET)
		return !memcmp(&((struct sockaddr_in *)sa)->sin_addr, addr, 4);
	return !memcmp(&((struct sockaddr_in6 *)sa)->sin6_addr, addr, 16);
}

static int is_ethernet(struct ifaddrs *all, const char *name)
{
	struct ifaddrs *i;

	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET &&
		    !strcmp(i->ifa_name, name))
			return ((struct sockaddr_ll *)i->ifa_addr)->sll_hatype ==
			       ARPHRD_ETHER;
	return 0;
}

/*
 * An address that is on lo, or nowhere yet, belongs to no device: the first one
 * that is up will do, an SA is offloaded on whatever route its packets take.
 */
static int choose(const struct xfrm_usersa_info *x, struct nlmsghdr *nlh,
		  struct want *w)
{
	struct nlattr *dir = find_attr(nlh, SA_DIR);
	struct ifaddrs *all, *i;
	const char *dev = NULL;
	int local = 0;

	if (getifaddrs(&all))
		return 0;
	w->inbound = 0;
	for (i = all; i; i = i->ifa_next) {
		int to = same_addr(i->ifa_addr, x->family, &x->id.daddr);
		int from = same_addr(i->ifa_addr, x->family, &x->saddr);

		if (!to && !from)
			continue;
		/* an address at both ends of it: the receiver's counts */
		w->inbound |= to;
		local = 1;
		if (!dev && is_ethernet(all, i->ifa_name))
			dev = i->ifa_name;
	}
	if (dir)
		w->inbound = ((unsigned char *)dir)[NLA_HDRLEN] != SA_DIR_OUT;
	for (i = all; !dev && i; i = i->ifa_next)
		if ((i->ifa_flags & IFF_UP) && is_ethernet(all, i->ifa_name))
			dev = i->ifa_name;
	if (dev) {
		snprintf(w->dev, sizeof(w->dev), "%s", dev);
		w->ifindex = if_nametoindex(dev);
	}
	freeifaddrs(all);
	if (!local && !dir)
		return 0;
	return dev && w->ifindex;
}

/* Ask the kernel what has become of it: the request is done when send() returns. */
static const char *outcome(const struct xfrm_usersa_info *x,
			   struct nlattr *mark,
			   ssize_t (*real)(int, const void *, size_t, int))
{
	struct {
		struct nlmsghdr nlh;
		struct xfrm_usersa_id id;
		char attrs[64];
	} req = { };
	union buffer buf;
	struct nlmsghdr *nlh = &buf.nlh;
	const char *result = "refused";
	ssize_t n;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	if (fd < 0)
		return result;
	req.nlh.nlmsg_type = XFRM_MSG_GETSA;
	req.nlh.nlmsg_flags = NLM_F_REQUEST;
	req.nlh.nlmsg_len = NLMSG_LENGTH(sizeof(req.id));
	req.id.daddr = x->id.daddr;
	req.id.spi = x->id.spi;
	req.id.family = x->family;
	req.id.proto = x->id.proto;
	if (mark && mark->nla_len <= sizeof(req.attrs)) {
		memcpy((char *)&req + NLMSG_ALIGN(req.nlh.nlmsg_len), mark,
		       mark->nla_len);
		req.nlh.nlmsg_len = NLMSG_ALIGN(req.nlh.nlmsg_len) + mark->nla_len;
	}
	if (real(fd, &req, req.nlh.nlmsg_len, 0) > 0) {
		n = recv(fd, buf.bytes, sizeof(buf), 0);
		if (n > (ssize_t)NLMSG_LENGTH(sizeof(struct xfrm_usersa_info)) &&
		    nlh->nlmsg_type == XFRM_MSG_NEWSA)
			result = find_attr(nlh, XFRMA_OFFLOAD_DEV) ? "offloaded" :
								     "software";
	}
	close(fd);
	return result;
}

/* Whether the request is one to be changed; if so the new one is in @out. */
static int change(const void *msg, size_t len, char *out, struct want *w)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)out;
	struct xfrm_user_offload xuo = { };
	struct xfrm_usersa_info *x;
	struct nlattr *a;
	unsigned int spi;

	if (len < NLMSG_LENGTH(sizeof(*x)) || len > MAX_MSG - 64)
		return 0;
	memcpy(out, msg, len);
	if ((nlh->nlmsg_type != XFRM_MSG_NEWSA && nlh->nlmsg_type != XFRM_MSG_UPDSA) ||
	    nlh->nlmsg_len > len)
		return 0;
	x = NLMSG_DATA(nlh);
	if (x->id.proto != IPPROTO_ESP || find_attr(nlh, XFRMA_OFFLOAD_DEV))
		return 0;
	spi = ntohl(x->id.spi);
	if (find_attr(nlh, XFRMA_ENCAP) && version() < 6002) {
		note("encap", NULL, spi);
		return 0;
	}
	if (!choose(x, nlh, w)) {
		note("no-local-address", NULL, spi);
		return 0;
	}
	if (find_attr(nlh, XFRMA_IF_ID) && w->inbound && version() >= 6016) {
		note("if_id-inbound", NULL, spi);
		return 0;
	}
	xuo.ifindex = w->ifindex;
	xuo.flags = w->inbound ? XFRM_OFFLOAD_INBOUND : 0;
	a = (struct nlattr *)(out + NLMSG_ALIGN(nlh->nlmsg_len));
	memset(out + nlh->nlmsg_len, 0, (char *)a - (out + nlh->nlmsg_len));
	a->nla_type = XFRMA_OFFLOAD_DEV;
	a->nla_len = NLA_HDRLEN + sizeof(xuo);
	memcpy((char *)a + NLA_HDRLEN, &xuo, sizeof(xuo));
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + NLA_ALIGN(a->nla_len);
	return 1;
}

static void report(const char *msg, const struct want *w,
		   ssize_t (*real)(int, const void *, size_t, int))
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)msg;
	struct xfrm_usersa_info *x = NLMSG_DATA(nlh);
	const char *result = outcome(x, find_attr(nlh, XFRMA_MARK), real);

	if (!strcmp(result, "software") && w->inbound && find_attr(nlh, XFRMA_IF_ID))
		result = "by-if_id";
	note(result, w, ntohl(x->id.spi));
}

ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);
	union buffer out;
	struct want w;
	ssize_t n;

	if (!real)
		real = dlsym(RTLD_NEXT, "send");
	if (!is_xfrm(fd) || !change(buf, len, out.bytes, &w))
		return real(fd, buf, len, flags);
	n = real(fd, out.bytes, out.nlh.nlmsg_len, flags);
	report(out.bytes, &w, real);
	return n < 0 ? n : (ssize_t)len;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);
	static ssize_t (*real_send)(int, const void *, size_t, int);
	struct iovec iov[MAX_IOV];
	struct want w[MAX_IOV];
	struct msghdr copy = *msg;
	char *out[MAX_IOV] = { };
	ssize_t n, added = 0;
	size_t i;

	if (!real) {
		real = dlsym(RTLD_NEXT, "sendmsg");
		real_send = dlsym(RTLD_NEXT, "send");
	}
	if (msg->msg_iovlen > MAX_IOV || !is_xfrm(fd))
		return real(fd, msg, flags);

	memcpy(iov, msg->msg_iov, msg->msg_iovlen * sizeof(*iov));
	copy.msg_iov = iov;
	for (i = 0; i < msg->msg_iovlen; i++) {
		out[i] = malloc(MAX_MSG);
		if (out[i] && change(iov[i].iov_base, iov[i].iov_len, out[i], &w[i])) {
			added -= iov[i].iov_len;
			iov[i].iov_base = out[i];
			iov[i].iov_len = ((struct nlmsghdr *)out[i])->nlmsg_len;
			added += iov[i].iov_len;
		} else {
			free(out[i]);
			out[i] = NULL;
		}
	}
	n = real(fd, &copy, flags);
	for (i = 0; i < msg->msg_iovlen; i++) {
		if (out[i])
			report(out[i], &w[i], real_send);
		free(out[i]);
	}
	return n < 0 ? n : n - added;
}

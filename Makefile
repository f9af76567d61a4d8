# SPDX-License-Identifier: GPL-2.0-only
# For people.  The kernel's build reads Kbuild, not this.

VERSION = 0.3
KDIR ?= /lib/modules/$(shell uname -r)/build
SYSTEM ?= trixie
CACHE = $(or $(ESP_RING_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/esp-ring)

# what the machines, the checks and the benchmark need, by Debian's names
PACKAGES = mmdebstrap debian-archive-keyring qemu-system-x86 seabios e2fsprogs util-linux \
	uidmap tshark shellcheck pyflakes3 perl python3 make git \
	dt-schema device-tree-compiler kmod

help:
	@echo "make modules      build the modules for KDIR ($(KDIR))"
	@echo "make install      install them there; make dkms: for every kernel, by dkms"
	@echo "make integrate    put the tree into a kernel's: KSRC=/path/to/linux"
	@echo "make integrate-test   does that compile, on two kernels and four architectures?"
	@echo "make dist         esp-ring-$(VERSION).tar.gz"
	@echo "make demo         a tunnel with ESP offload in a virtual machine, shown"
	@echo "make demo-router  two emulated MT7621 routers, a tunnel by their engines; REBOOT=1: one is reset"
	@echo "make test         the test suite; T=pattern for a part, JOBS=n machines at a time"
	@echo "make picture      queues, latency and rate of a run, as SVG, by tools/esp-ring"
	@echo "make bench        the measurements: soft engine, EIP-93, a router; FULL=1 more of the last"
	@echo "make check        what can be said of the sources without running them"
	@echo "make shell        a console in a machine; SYSTEM=$(SYSTEM)"
	@echo "make router       the same on an emulated MT7621, with a tunnel through its EIP-93"
	@echo "make images       all systems' images, ahead of time"
	@echo "make deps         apt-get install what all this needs"
	@echo "make clean        the build directory"
	@echo "make clean-cache  images, kernels, modules: $(CACHE)"

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

install: modules
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

dkms:
	packaging/dkms/install
	dkms install --force esp-ring/$(VERSION)

integrate:
	@packaging/integrate/integrate "$(KSRC)"

integrate-test: deps-check
	@packaging/integrate/test

dist:
	git archive --prefix=esp-ring-$(VERSION)/ -o esp-ring-$(VERSION).tar.gz HEAD

# deps-check says what is missing, and as root on Debian installs it.
deps-check:
	@selftests/vm/deps $(PACKAGES)

deps:
	apt-get install --no-install-recommends $(PACKAGES)

test: deps-check
	@python3 selftests/run.py $(if $(JOBS),-j $(JOBS)) $(if $(MINUTES),--minutes $(MINUTES)) -- "$(T)"

demo: deps-check
	@selftests/demo/demo.sh

demo-router: deps-check
	@selftests/demo/router.sh

picture: deps-check
	@selftests/demo/picture.sh

bench: deps-check
	@selftests/bench/run.sh
	@selftests/bench/eip93/run.sh
	@selftests/bench/router/run.sh

check: deps-check
	@selftests/check/run.sh

shell: deps-check
	@selftests/vm/shell $(SYSTEM)

router: deps-check
	@selftests/vm/shell mt7621 vm/router.rc

images: deps-check
	@for s in trixie bookworm bpo debug mt7621 en7581; do selftests/vm/image $$s || exit; done

clean:
	rm -rf build
	[ ! -d "$(KDIR)" ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean

clean-cache:
	@selftests/vm/clean-cache

.PHONY: help modules install dkms integrate integrate-test dist deps deps-check test demo demo-router picture bench check shell router images clean clean-cache

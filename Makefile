# SPDX-License-Identifier: ISC
#
# On a fresh Debian machine, git and make are enough for
#
#	make demo	set up, build, and show the tools at work on real input
#	make check	set up, build every variant, and pass all tests
#
# and the parts of these are
#
#	make		the tools and libraries, into build/
#	make bench	the tools and their rivals, side by side
#	make install	and make uninstall: PREFIX=/usr/local, DESTDIR=
#	make deps	the packages that building and testing need
#	make distro	both commands in a fresh Debian: SUITE=trixie QUICK=1 ORDINARY=1 MIRROR=
#	make fault	the tools with the fault table of lib/base/sys.h, into build/fault/
#	make asan	the same under sanitizers, and the unit tests, into build/asan/
#	make fuzz	feed what is read from disk, each format for FUZZ_SECONDS=60
#	make mends	take each mend out of the fault build, and see its test fail
#	make mutants	change lib/ at N=60 random places (SEED=), and see which the tests notice
#	make clean
#
# CC, TOOL_CC, CFLAGS, CPPFLAGS, LDFLAGS, BUILD, WERROR and STATIC are the user's; V=1 shows the
# commands.

.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-print-directory

# ------------------------------------------------------------------------------------------------
# 1. What there is. A new module is a file in its folder; a new tool or test is one word here;
#    `make check` finds what is forgotten.

# The library, a folder for each layer: a folder includes only folders before it, namely those that
# its README.md lists. The first ones are libholdfast. The others need libsqlite3, or libgit2 as
# well, or are of the tools only; they are above libholdfast, and no part of the shared library.
CORE_FOLDERS = base probe keeper wait spool atomic append stale gitlock lock keeperd status
DB_FOLDERS = sqlite store
REPO_FOLDERS = git record
TOOL_FOLDERS = cli
FOLDERS = $(CORE_FOLDERS) $(DB_FOLDERS) $(REPO_FOLDERS) $(TOOL_FOLDERS)

modules_of = $(patsubst lib/%.c,%,$(sort $(wildcard $(1:%=lib/%/*.c))))
CORE_MODULES := $(call modules_of,$(CORE_FOLDERS))
TOOL_MODULES := $(call modules_of,$(TOOL_FOLDERS))
UPPER_MODULES := $(call modules_of,$(DB_FOLDERS) $(REPO_FOLDERS)) $(TOOL_MODULES)

# What a program that uses the library includes: as it is installed.
PUBLIC_HEADERS := $(patsubst lib/include/holdfast/%.h,%,$(wildcard lib/include/holdfast/*.h))

# The core tools need no library. The others are linked with SQLite, or with SQLite and libgit2.
CORE_TOOLS = atomic-write atomic-append atomic-update lock-run lock-retry lock-break \
	lock-acquire lock-renew lock-release lock-status
DB_TOOLS = sqlite-run sqlite-backup sqlite-check sqlite-once sqlite-lease sqlite-queue
REPO_TOOLS = atomic-record
TOOLS = $(CORE_TOOLS) $(DB_TOOLS) $(REPO_TOOLS)

# The library for shells, tools in shell, and what these have beside them.
SHELL_LIBS = holdfast.sh
SCRIPTS = holdfast-hooks
HOOKS = pre-commit pre-push common.sh stub.sh

UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*/test_*.c))

RIGS = faultloop powercut groupfault stress
RIG_MODULES = rig judge disk group ledger writers
BENCHES = pair add
FUZZERS = parsers spool intent index notes stats
BATS_TESTS = atomic-write atomic-append atomic-update trust lock-run lock-sets lock-signals flock \
	lock-retry lock-dot lock-break lock-status lock-keeper lock-circle lock-sqlite lock-git \
	model once \
	sqlite-run sqlite-backup sqlite-check sqlite-once sqlite-lease sqlite-queue \
	shell hooks hooks-commit \
	faults-write faults-append faults-update faults-sqlite faults-lock faults-keeper \
	faults-stores trust-db bad-input fuzz hostile strace \
	powercut man completion demo tree install build atomic-record record-appends \
	record-beside git-matrix faults-record

MAN1 = $(TOOLS) $(SCRIPTS)
MAN7 = holdfast $(SHELL_LIBS)
DOCS = architecture messages recording-pipelines from-flock-and-sponge from-concurrency-sh \
	hooks stale-locks from-lockfile-and-pid-files lock-order work-queue security
EXAMPLES = lock-and-write

# Debian packages, each with what shows that it is installed: a command, a header, a path, or a flag
# with which clang links.
BUILD_DEPS = gcc=gcc make=make pkg-config=pkg-config libc6-dev=stdio.h libbsd-dev=bsd/stdlib.h \
	libmd-dev=md5.h $(if $(MUSL),musl-tools=musl-gcc) linux-libc-dev=linux/fs.h \
	libsqlite3-dev=sqlite3.h libgit2-dev=git2.h zlib1g-dev=zlib.h
TEST_DEPS = bats=bats libcmocka-dev=/usr/include/cmocka.h clang=clang shellcheck=shellcheck \
	procps=pgrep bindfs=bindfs \
	mandoc=mandoc strace=strace libclang-rt-dev=-fsanitize=fuzzer \
	util-linux=flock acl=setfacl attr=setfattr e2fsprogs=mkfs.ext4 xfsprogs=mkfs.xfs \
	btrfs-progs=mkfs.btrfs mount=mount python3=python3 git=git spin=spin procmail=lockfile \
	liblockfile-bin=dotlockfile sqlite3=sqlite3 jq=jq tmux=tmux dash=dash mksh=mksh \
	ksh93u+m=ksh93 busybox=busybox zsh=zsh fish=fish \
	bash-completion=/usr/share/bash-completion/bash_completion dpkg-dev=dpkg-buildflags
BENCH_DEPS = util-linux=flock procmail=lockfile liblockfile-bin=dotlockfile git=git sqlite3=sqlite3

# ------------------------------------------------------------------------------------------------
# 2. How it is compiled

BUILD = build
PREFIX = /usr/local
CFLAGS ?= -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
STATIC = -static

# The tools are linked with static musl, everything else with glibc. glibc asks the CPU 43 questions
# (CPUID) at every start, static or not, and a virtual machine traps each: some 4 us apiece, a
# quarter of a whole uncontended lock-run. musl asks none. TOOL_CC=$(CC) takes glibc for the tools
# too.
TOOL_CC = musl-gcc

WERROR = -Werror
CLANG = clang
PKG_CONFIG = pkg-config
INSTALL = install

# Set by the variants of phase 4.
VARIANT =

WARNINGS = -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wredundant-decls -Wpointer-arith -Wcast-align -Wwrite-strings \
	-Wvla -Wundef -Wimplicit-fallthrough -Wdouble-promotion -Wdate-time \
	-Wformat=2 -Wno-format-nonliteral \
	$(if $(findstring clang,$(CC)),,-Wno-format-truncation)
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -pthread -iquote lib -I lib/include \
	-ffunction-sections -fdata-sections $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(VARIANT)
ALL_LDFLAGS = -pthread -Wl,--gc-sections -Wl,--as-needed $(CFLAGS) $(VARIANT) $(LDFLAGS)

# By path: musl-gcc does not look where glibc's libraries are.
BSD_LIBS = $$($(CC) -print-file-name=libbsd.a) $$($(CC) -print-file-name=libmd.a)

# What musl lacks: the headers of the kernel, libbsd and libmd, one by one, so that none of glibc's
# is among them; and lib/port/musl.
MUSL = $(findstring musl,$(TOOL_CC))
MUSL_HEADERS = linux asm asm-generic bsd sha2.h
MUSL_CFLAGS = -I lib/port/musl -isystem $(BUILD)/tool/include

Q = $(if $(V),,@)
SAY = @printf '  %-7s %s\n'
MAKING = @mkdir -p $(@D); printf '  %-7s $@\n'

# ------------------------------------------------------------------------------------------------
# 3. What is built

TOOL_FILES = $(TOOLS:%=$(BUILD)/bin/%)
CORE_FILES = $(CORE_TOOLS:%=$(BUILD)/bin/%)
SCRIPT_FILES = $(SHELL_LIBS:%=$(BUILD)/bin/%) $(SCRIPTS:%=$(BUILD)/bin/%) \
	$(HOOKS:%=$(BUILD)/share/holdfast/hooks/%)
UNIT_FILES = $(UNIT_TESTS:%=$(BUILD)/unit/%)
RIG_FILES = $(RIGS:%=$(BUILD)/rig/%)
BENCH_FILES = $(BENCHES:%=$(BUILD)/bench/%)
FUZZ_FILES = $(FUZZERS:%=$(BUILD)/fuzz/%)
LIBS = $(BUILD)/lib/libholdfast.a $(BUILD)/lib/libholdfast.so $(BUILD)/lib/holdfast.pc

# Objects are in pic/, and once more in tool/ if the tools have their own C library.
TOOL_DIR = $(BUILD)/$(if $(MUSL),tool,pic)
LIB_OBJS = $(CORE_MODULES:%=$(BUILD)/pic/lib/%.o)
UPPER_OBJS = $(UPPER_MODULES:%=$(BUILD)/pic/lib/%.o)
ALL_LIBS = $(BUILD)/lib/upper.a $(BUILD)/lib/libholdfast.a
RIG_OBJS = $(RIG_MODULES:%=$(BUILD)/pic/tests/rig/%.o)
TOOL_OBJS = $(CORE_MODULES:%=$(TOOL_DIR)/lib/%.o) $(TOOL_MODULES:%=$(TOOL_DIR)/lib/%.o) \
	$(if $(MUSL),$(TOOL_DIR)/lib/port/musl/glue.o)

SOURCES = lib/port/git2_offline.c $(CORE_MODULES:%=lib/%.c) $(UPPER_MODULES:%=lib/%.c) \
	$(TOOLS:%=bin/%.c) $(UNIT_TESTS:%=tests/unit/%.c) \
	$(RIG_MODULES:%=tests/rig/%.c) $(RIGS:%=tests/rig/%.c) \
	$(BENCHES:%=tests/bench/%.c) $(FUZZERS:%=tests/fuzz/%.c)

.PHONY: all tools scripts libs unit rigs benches
all: tools scripts libs
tools: $(TOOL_FILES)
scripts: $(SCRIPT_FILES)
libs: $(LIBS)
unit: $(UNIT_FILES)
rigs: $(RIG_FILES)
benches: $(BENCH_FILES)
fuzzers: $(FUZZ_FILES)

# Tests write argument vectors of literals.
$(BUILD)/pic/tests/%.o $(BUILD)/tool/tests/%.o: WARNINGS += -Wno-write-strings -iquote tests/unit

$(BUILD)/pic/%.o: %.c | $(BUILD)/packages
	$(MAKING) CC
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -MMD -MP -c -o $@ $<

$(BUILD)/tool/%.o: override CC = $(TOOL_CC)
$(BUILD)/tool/%.o: %.c | $(BUILD)/tool/include $(BUILD)/packages
	$(MAKING) CC
	$(Q)$(CC) $(MUSL_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tool/include: | $(BUILD)/packages
	@mkdir -p $@; for header in $(MUSL_HEADERS); do \
		for dir in /usr/include /usr/include/$$(gcc -print-multiarch); do \
			[ ! -e $$dir/$$header ] || ln -sfn $$dir/$$header $@; \
		done; \
	done

$(CORE_FILES): override CC = $(TOOL_CC)
$(CORE_FILES): $(BUILD)/bin/%: $(TOOL_DIR)/bin/%.o $(TOOL_OBJS)
	$(MAKING) LINK
	$(Q)$(CC) $(STATIC) $(ALL_LDFLAGS) -o $@ $^ $(BSD_LIBS)

$(DB_TOOLS:%=$(BUILD)/bin/%): $(BUILD)/lib/sqlite.libs
$(REPO_TOOLS:%=$(BUILD)/bin/%): $(BUILD)/lib/git2.libs
UPPER_FILES = $(DB_TOOLS:%=$(BUILD)/bin/%) $(REPO_TOOLS:%=$(BUILD)/bin/%)
$(UPPER_FILES): $(BUILD)/bin/%: $(BUILD)/pic/bin/%.o $(ALL_LIBS)
	$(MAKING) LINK
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter-out %.libs,$^) $$(cat $(filter %.libs,$^)) \
		$(BSD_LIBS)

# Link SQLite and libgit2 statically where their archives are installed: to load the shared library
# takes half a millisecond of each insert, and to load the eighteen that libgit2 depends on takes
# longer than all that atomic-record does. Ask pkg-config which archives these need, since that
# differs from release to release; lib/port/git2_offline.c replaces libgit2's network code. A
# program that is linked so must also run. Otherwise link the shared libraries. Say which, and why.
# What has no archive is left out: libgit2's network may need it.
GIT2_OBJ = $(BUILD)/pic/lib/port/git2_offline.o
LIBRARY_LISTS = $(BUILD)/lib/sqlite.libs $(BUILD)/lib/git2.libs
$(BUILD)/lib/sqlite.libs: ASK = sqlite3
$(BUILD)/lib/sqlite.libs: SHARED = -lsqlite3
$(BUILD)/lib/sqlite.libs: TRY = int sqlite3_threadsafe(void); \
	int main(void) { return !sqlite3_threadsafe(); }
$(BUILD)/lib/git2.libs: $(GIT2_OBJ)
$(BUILD)/lib/git2.libs: ASK = libgit2 sqlite3 zlib
$(BUILD)/lib/git2.libs: SHARED = -lsqlite3 -lgit2 -lz
$(BUILD)/lib/git2.libs: TRY = int git_libgit2_init(void); \
	int git_repository_open(void **, const char *); \
	int main(void) { void *r; return git_libgit2_init() < 1 || !git_repository_open(&r, "/"); }

# The C library is shared in either case.
$(LIBRARY_LISTS): | $(BUILD)/packages
	$(MAKING) TRY
	$(Q)archives=; for word in $$($(PKG_CONFIG) --static --libs $(ASK) 2>$@.why); do \
		case $$word in \
		-lc | -lm | -lrt | -ldl | -lpthread | -pthread) continue ;; \
		-l*) $(CC) -nostdlib -r -o $@.try -Wl,-Bstatic $$archives $$word 2>$@.why || \
			continue ;; \
		esac; \
		archives="$$archives $$word"; \
	done; \
	libs="$(filter %.o,$^) -Wl,-Bstatic$$archives -Wl,-Bdynamic -lm"; kind=static; why=; \
	if [ -z "$$archives" ] || ! echo '$(TRY)' | \
		$(CC) $(ALL_LDFLAGS) -o $@.try -xc - -xnone $$libs 2>$@.why || ! $@.try; \
	then \
		libs='$(SHARED)'; kind=shared; \
		why=$$(grep -v 'in function' $@.why | sed -n 1p); \
		why="(not static: $${why:-$(PKG_CONFIG) names none})"; \
	fi; \
	printf '  %-7s %s\n' LIBS "$@: $$kind: $$(echo " $$libs" | grep -o ' -l[^ ]*' | \
		sed 's/ -l//' | sort -u | tr '\n' ' ')$$why"; \
	echo "$$libs" >$@; rm -f $@.try $@.why

# Scripts learn where the tools are, and their version. ksh93 finds a library in PATH only if it is
# executable.
VERSION_SED = sed -n 's/^\#define HF_VERSION "\(.*\)"/\1/p' lib/cli/cli.h
SCRIPT_SED = sed "s|@BINDIR@|$1|; s|@VERSION@|$$($(VERSION_SED))|"

$(SHELL_LIBS:%=$(BUILD)/bin/%): $(BUILD)/bin/%: lib/shell/% lib/cli/cli.h
$(SCRIPTS:%=$(BUILD)/bin/%): $(BUILD)/bin/%: hooks/% lib/cli/cli.h
$(HOOKS:%=$(BUILD)/share/holdfast/hooks/%): $(BUILD)/share/holdfast/hooks/%: hooks/%
$(SCRIPT_FILES):
	$(MAKING) GEN
	$(Q)$(call SCRIPT_SED,$(abspath $(BUILD))/bin) $< >$@ && chmod +x $@

$(BUILD)/unit/%: $(BUILD)/pic/tests/unit/%.o $(ALL_LIBS)
	$(MAKING) LINK
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka -lsqlite3 -lgit2 -lz $(BSD_LIBS)

$(BUILD)/rig/%: $(BUILD)/pic/tests/rig/%.o $(RIG_OBJS)
	$(MAKING) LINK
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BSD_LIBS)

# Small and static: a command starts with the peak memory of who started it. With the C library of
# the tools: what is run under a lock on both sides shall not hide what the locks cost.
$(BENCH_FILES): override CC = $(TOOL_CC)
$(BUILD)/bench/%: $(TOOL_DIR)/tests/bench/%.o
	$(MAKING) LINK
	$(Q)$(CC) $(STATIC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/fuzz/%: $(BUILD)/pic/tests/fuzz/%.o $(ALL_LIBS)
	$(MAKING) LINK
	$(Q)$(CC) -fsanitize=fuzzer $(ALL_LDFLAGS) -o $@ $^ -lsqlite3 -lgit2 -lz $(BSD_LIBS)

$(BUILD)/lib/libholdfast.a: $(LIB_OBJS)
	$(MAKING) AR
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# The folders above the shared library: the linker takes what a program needs.
$(BUILD)/lib/upper.a: $(UPPER_OBJS)
	$(MAKING) AR
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/lib/libholdfast.so.0: $(LIB_OBJS) lib/holdfast.map
	$(MAKING) LINK
	$(Q)$(CC) -shared -Wl,-soname,$(@F) -Wl,--version-script=lib/holdfast.map -Wl,-z,defs \
		-Wl,-z,nodelete $(ALL_LDFLAGS) -o $@ $(LIB_OBJS) -lbsd -lmd

$(BUILD)/lib/libholdfast.so: $(BUILD)/lib/libholdfast.so.0
	@ln -sf $(<F) $@

$(BUILD)/lib/holdfast.pc: lib/holdfast.pc.in lib/cli/cli.h
	$(MAKING) GEN
	@version=$$(sed -n 's/^#define HF_VERSION "\(.*\)"/\1/p' lib/cli/cli.h) && \
	sed "s|@VERSION@|$$version|" lib/holdfast.pc.in >$@

-include $(SOURCES:%.c=$(BUILD)/pic/%.d) $(SOURCES:%.c=$(BUILD)/tool/%.d)

# ------------------------------------------------------------------------------------------------
# 4. Variants: the same rules in another directory

ASAN = -DHF_FAULTS -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer

.PHONY: fault asan fuzz-build fuzz
fault:
	@$(MAKE) tools BUILD=$(BUILD)/fault VARIANT=-DHF_FAULTS

asan:
	@$(MAKE) tools unit BUILD=$(BUILD)/asan VARIANT='$(ASAN)' TOOL_CC='$(CC)' STATIC= WERROR= \
		CFLAGS='-O1 -g'

fuzz-build:
	@$(MAKE) fuzzers BUILD=$(BUILD)/fuzz CC='$(CLANG)' WERROR= CFLAGS='-O1 -g' \
		VARIANT='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'

FUZZ_SECONDS = 60
fuzz: tools fuzz-build
	@for fuzzer in $(FUZZERS); do \
		PATH=$(abspath $(BUILD))/bin:$$PATH \
			tests/fuzz/seeds $$fuzzer $(BUILD)/fuzz/corpus/$$fuzzer && \
		$(BUILD)/fuzz/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) -max_len=6000 \
			-artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$$fuzzer || exit 1; \
	done

# Mutations: each at another place, judged by the tests of its module. MODULES and KINDS narrow it.
N = 60
.PHONY: mutants
mutants:
	@tests/rig/mutants.py -n $(N) $(if $(SEED),-s $(SEED)) $(if $(MODULES),-m '$(MODULES)') \
		$(if $(KINDS),-k '$(KINDS)') $(BUILD) CC='$(CC)' TOOL_CC='$(TOOL_CC)'

# Each mend taken out of the fault build, and the test that must fail then.
.PHONY: mends
mends: all fault rigs
	@BUILD=$(BUILD) tests/mends

# ------------------------------------------------------------------------------------------------
# 5. Setting up, checking, showing. Each step is a make of its own: what `deps` installs was not
#    there when this one began.

.PHONY: deps check headers clang-check distro demo bench
print-%: ; @echo $($*)
DEPS = $(sort $(BUILD_DEPS) $(TEST_DEPS) $(BENCH_DEPS))
STEP = $(MAKE) $(if $(findstring --jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# Sets $missing to those of the packages $1 that are not installed. The tools' rules give CC another
# value, also to what they depend on.
HOST_CC := $(CC)
FIND_MISSING = PATH=$$PATH:/usr/sbin:/sbin; missing=; \
	for dep in $1; do \
		case $${dep\#*=} in \
		/*) test -e "$${dep\#*=}" ;; \
		*.h) echo "\#include <$${dep\#*=}>" | $(HOST_CC) -E -xc - ;; \
		-*) echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
			$(CLANG) "$${dep\#*=}" -xc -o /dev/null - ;; \
		*) command -v "$${dep\#*=}" ;; \
		esac >/dev/null 2>&1 || missing="$$missing $${dep%%=*}"; \
	done

deps:
	@$(call FIND_MISSING,$(DEPS)); \
	test -n "$$missing" || exit 0; \
	install="apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "  DEPS   $$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq -o Acquire::Retries=3 update </dev/null; \
		$$install -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
			</dev/null; \
	else \
		printf '%s\n' 'These are missing. On Debian, as root:' "  $$install" >&2; exit 1; \
	fi

# What building needs is looked for once, before anything is compiled.
$(BUILD)/packages:
	@$(call FIND_MISSING,$(BUILD_DEPS)); \
	[ -z "$$missing" ] || { \
		printf '%s\n' "Packages are missing:$$missing" >&2; \
		echo '  as root on Debian, "make deps" installs them; else it lists them' >&2; \
		exit 1; \
	}; \
	mkdir -p $(@D) && touch $@

check:
	@$(STEP) deps DEPS='$(BUILD_DEPS) $(TEST_DEPS)'
	@$(STEP) all fault asan fuzz-build rigs headers clang-check
	@BUILD=$(BUILD) tests/run \
		$(UNIT_TESTS:%=$(BUILD)/asan/unit/%) $(BATS_TESTS:%=tests/%.bats)

# Every header compiles on its own.
headers:
	$(SAY) CHECK headers
	@for header in $(wildcard $(FOLDERS:%=lib/%/*.h) lib/include/holdfast/*.h); do \
		echo "#include \"$$header\"" | \
			$(CC) $(ALL_CFLAGS) -iquote . -fsyntax-only -xc - || exit 1; \
	done

# The other compiler's opinion.
clang-check: override CC = $(CLANG)
clang-check:
	$(SAY) CHECK clang
	@$(CC) $(ALL_CFLAGS) -iquote tests/unit -Wno-write-strings -DHF_FAULTS -fsyntax-only \
		$(SOURCES)

# A fresh system of each SUITE, made by debootstrap, with git and make alone.
SUITE = bookworm trixie sid
distro:
	@$(STEP) deps DEPS=debootstrap=debootstrap
	@BUILD=$(BUILD) QUICK=$(QUICK) ORDINARY=$(ORDINARY) MIRROR=$(MIRROR) tests/distro $(SUITE)

demo:
	@$(STEP) deps DEPS='$(BUILD_DEPS) git=git sqlite3=sqlite3'
	@$(STEP) all
	@BUILD=$(BUILD) tests/demo/demo

bench:
	@$(STEP) deps DEPS='$(BUILD_DEPS) $(BENCH_DEPS)'
	@$(STEP) all benches
	@BUILD=$(BUILD) tests/bench/bench

# ------------------------------------------------------------------------------------------------
# 6. Installing. The directories that this had to make are noted in one of them, so that uninstall
#    can remove exactly these. DESTDIR may hold any character; PREFIX is a part of lists of words.

export DESTDIR
$(if $(word 2,$(PREFIX)),$(error PREFIX must not hold spaces: '$(PREFIX)'))
BINDIR = $(PREFIX)/bin
LIBDIR = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/holdfast
HOOKSDIR = $(PREFIX)/share/holdfast/hooks
BASH_COMPLETIONS = $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
FISH_COMPLETIONS = $(PREFIX)/share/fish/vendor_completions.d

NOTE = "$$DESTDIR$(DOCDIR)/directories"
INSTALL_DIRS = $(BINDIR) $(LIBDIR)/pkgconfig $(INCLUDEDIR)/holdfast $(MANDIR)/man1 $(MANDIR)/man7 \
	$(DOCDIR)/examples $(HOOKSDIR) $(BASH_COMPLETIONS) $(ZSH_COMPLETIONS) $(FISH_COMPLETIONS)
INSTALLED = $(TOOLS:%=$(BINDIR)/%) $(SHELL_LIBS:%=$(BINDIR)/%) $(SCRIPTS:%=$(BINDIR)/%) \
	$(HOOKS:%=$(HOOKSDIR)/%) \
	$(LIBDIR)/libholdfast.a $(LIBDIR)/libholdfast.so.0 $(LIBDIR)/libholdfast.so \
	$(LIBDIR)/pkgconfig/holdfast.pc $(INCLUDEDIR)/holdfast.h \
	$(PUBLIC_HEADERS:%=$(INCLUDEDIR)/holdfast/%.h) \
	$(MAN1:%=$(MANDIR)/man1/%.1) $(MAN7:%=$(MANDIR)/man7/%.7) \
	$(BASH_COMPLETIONS)/holdfast $(MAN1:%=$(BASH_COMPLETIONS)/%) \
	$(FISH_COMPLETIONS)/holdfast.fish $(MAN1:%=$(FISH_COMPLETIONS)/%.fish) \
	$(ZSH_COMPLETIONS)/_holdfast \
	$(DOCS:%=$(DOCDIR)/%.md) $(DOCDIR)/README.md $(DOCDIR)/LICENSE \
	$(EXAMPLES:%=$(DOCDIR)/examples/%.c)

# The dynamic linker finds a library in /usr/local/lib by its cache only.
LDCONFIG = @[ -n "$$DESTDIR" ] || [ "$$(id -u)" != 0 ] || PATH=$$PATH:/sbin ldconfig

.PHONY: install uninstall clean
install: all
	@made() { [ -d "$$1" ] || { made "$$(dirname "$$1")"; mkdir -m755 "$$1"; echo "$$1"; }; }; \
	mkdir -p "$$DESTDIR/" && \
	new=$$(for dir in $(INSTALL_DIRS); do made "$$DESTDIR$$dir"; done) && \
	echo "$$new" >>$(NOTE) && chmod 644 $(NOTE)
	$(INSTALL) -m 755 $(TOOL_FILES) "$$DESTDIR$(BINDIR)/"
	for script in $(SHELL_LIBS:%=lib/shell/%) $(SCRIPTS:%=hooks/%); do \
		installed="$$DESTDIR$(BINDIR)/$${script##*/}" && \
		$(call SCRIPT_SED,$(BINDIR)) $$script >"$$installed" && \
		chmod 755 "$$installed" || exit 1; \
	done
	$(INSTALL) -m 755 $(HOOKS:%=hooks/%) "$$DESTDIR$(HOOKSDIR)/"
	$(INSTALL) -m 644 $(BUILD)/lib/libholdfast.a "$$DESTDIR$(LIBDIR)/"
	$(INSTALL) -m 755 $(BUILD)/lib/libholdfast.so.0 "$$DESTDIR$(LIBDIR)/"
	ln -sf libholdfast.so.0 "$$DESTDIR$(LIBDIR)/libholdfast.so"
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		$(BUILD)/lib/holdfast.pc >"$$DESTDIR$(LIBDIR)/pkgconfig/holdfast.pc"
	$(INSTALL) -m 644 $(PUBLIC_HEADERS:%=lib/include/holdfast/%.h) \
		"$$DESTDIR$(INCLUDEDIR)/holdfast/"
	echo '#include "holdfast/holdfast.h"' >"$$DESTDIR$(INCLUDEDIR)/holdfast.h"
	chmod 644 "$$DESTDIR$(LIBDIR)/pkgconfig/holdfast.pc" "$$DESTDIR$(INCLUDEDIR)/holdfast.h"
	$(INSTALL) -m 644 $(MAN1:%=docs/man/%.1) "$$DESTDIR$(MANDIR)/man1/"
	$(INSTALL) -m 644 $(MAN7:%=docs/man/%.7) "$$DESTDIR$(MANDIR)/man7/"
	$(INSTALL) -m 644 completions/holdfast.bash "$$DESTDIR$(BASH_COMPLETIONS)/holdfast"
	$(INSTALL) -m 644 completions/holdfast.fish "$$DESTDIR$(FISH_COMPLETIONS)/"
	$(INSTALL) -m 644 completions/_holdfast "$$DESTDIR$(ZSH_COMPLETIONS)/"
	for tool in $(MAN1); do \
		ln -sf holdfast "$$DESTDIR$(BASH_COMPLETIONS)/$$tool" && \
		ln -sf holdfast.fish "$$DESTDIR$(FISH_COMPLETIONS)/$$tool.fish" || exit 1; \
	done
	$(INSTALL) -m 644 README.md LICENSE $(DOCS:%=docs/%.md) "$$DESTDIR$(DOCDIR)/"
	$(INSTALL) -m 644 $(EXAMPLES:%=docs/examples/%.c) "$$DESTDIR$(DOCDIR)/examples/"
	$(LDCONFIG)

uninstall:
	rm -f $(INSTALLED:%="$$DESTDIR%")
	@new=$$(sort -r $(NOTE) 2>/dev/null); rm -f $(NOTE); \
	echo "$$new" | while IFS= read -r dir; do rmdir "$$dir" 2>/dev/null || :; done
	$(LDCONFIG)

clean:
	rm -rf $(BUILD)

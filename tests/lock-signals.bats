#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# lock-run and signals: the command gets each one once, and lock-run ends as its command did.

bats_require_minimum_version 1.5.0
load rig/common

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkfifo go at
}

# A command that counts the signals it gets, until it is let go. It says its PID when it is ready.
counting='trap "echo TERM >>got" TERM; trap "echo HUP >>got" HUP; trap "echo USR1 >>got" USR1
	exec 5<>go; echo $$ >at; until read x <&5; do :; done'

@test "after SIGKILL of lock-run, the command excludes others until it ends" {
	bg lock-run l sh -c 'echo at work >at; read x <go'
	hear
	kill -KILL $!
	ends_with 137 $!
	run -75 lock-run -n l true
	run -1 flock -n l true
	bg flock l touch done
	await waits $!
	[ ! -e done ]
	echo >go
	wait $!
	[ -e done ]
}

@test "passes a signal to the command once" {
	local signal
	for signal in TERM HUP USR1; do
		rm -f got
		bg lock-run l sh -c "$counting"
		hear
		kill -$signal $!
		await test -s got
		echo >go
		ends_with 0 $!
		[ "$(cat got)" = $signal ]
	done
}

@test "passes real-time signals to the command, from the first to the last" {
	local signal
	for signal in 34 35 50 64; do
		bg lock-run l bash -c "trap 'exit 3' $signal; exec 5<>go; echo >at; read x <&5"
		hear
		kill -$signal $!
		ends_with 3 $!
		run -$((128 + signal)) lock-run l bash -c "kill -$signal \$\$"
	done
}

@test "SIGTERM kills a command that does not handle it, and lock-run dies of it too" {
	bg lock-run l sh -c 'echo >at; exec sleep 60'
	hear
	kill -TERM $!
	ends_with 143 $!
	lock-run -n l true
}

@test "dies of the signal that killed the command, without a core" {
	local signal
	ulimit -c unlimited || true
	for signal in KILL TERM INT SEGV ABRT; do
		run -0 python3 - "$signal" <<-'EOF'
			import signal, subprocess, sys
			number = signal.Signals["SIG" + sys.argv[1]]
			command = f"ulimit -c 0; kill -{number} $$"
			status = subprocess.call(["lock-run", "l", "sh", "-c", command])
			assert status == -number, status
		EOF
	done
	[ -z "$(find . -name 'core*')" ]
}

@test "SIGTERM during the wait kills lock-run, and the command never runs" {
	exec 9>l
	flock 9
	bg lock-run l touch ran 9>&-
	await waits $!
	kill -TERM $!
	ends_with 143 $!
	flock -u 9
	lock-run l true
	[ ! -e ran ]
}

@test "an ignored signal stays ignored, also in the command" {
	(
		trap '' TERM
		exec lock-run l sh -c 'echo >at; read x <go'
	) >>log 2>&1 3>&- &
	hear
	kill -TERM $!
	echo >go
	ends_with 0 $!
}

# terminal SCRIPT KEYS: run the shell script on a terminal, send KEYS after it has printed "ready",
# and print what it prints.
terminal() {
	timeout 30 python3 - "$@" 3>&- <<-'EOF'
		import fcntl, os, pty, select, sys, termios
		# kept open here: the last close can discard unread data
		fd, terminal = pty.openpty()
		pid = os.fork()
		if pid == 0:
		    os.setsid()
		    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
		    for i in range(3):
		        os.dup2(terminal, i)
		    os.execvp("bash", ["bash", "-c", sys.argv[1]])
		seen, keys = b"", sys.argv[2].encode().decode("unicode_escape").encode()
		shell = os.pidfd_open(pid)
		while True:
		    if fd not in select.select([fd, shell], [], [])[0]:
		        break
		    seen += os.read(fd, 1000)
		    if keys and b"ready" in seen:
		        os.write(fd, keys)
		        keys = b""
		print(seen.decode().replace("\r", ""))
		status = os.waitpid(pid, 0)[1]
		print("exit", os.waitstatus_to_exitcode(status))
	EOF
}

@test "Ctrl-C reaches the command once" {
	run -0 terminal 'lock-run l sh -c "
		trap \"echo got it\" INT; echo ready; until read x && [ \"\$x\" = end ]; do :; done
		echo ended"; echo after' '\x03end\n'
	[ "$(grep -c 'got it' <<<"$output")" = 1 ]
	[[ $output == *ended*after*'exit 0'* ]]
}

@test "Ctrl-C ends a shell loop around lock-run" {
	run -0 terminal 'for i in 1 2 3; do lock-run l sh -c "echo ready; exec sleep 60"; done
		echo after' '\x03'
	[ "$(grep -c ready <<<"$output")" = 1 ]
	[[ $output != *after* && $output == *'exit -2'* ]]
}

@test "Ctrl-C during the wait ends lock-run and the loop" {
	exec 9>l
	flock 9
	local waits
	waits='grep -q -e "-> .*:'$(stat -c %i l)' " /proc/locks'
	run -0 terminal "for i in 1 2 3; do
		(until $waits; do :; done; echo ready) & lock-run l touch ran
	done; echo after" '\x03'
	[[ $output != *after* && $output == *'exit -2'* ]]
	flock -u 9
	[ ! -e ran ]
}

@test "Ctrl-Z stops lock-run and the command, and fg continues both" {
	run -0 terminal 'set -m; lock-run l sh -c "echo ready; read x; echo read \$x"
		jobs; fg; echo after' '\x1athat\n'
	[[ $output == *Stopped*'read that'*after* ]]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
#
# sqlite-run, killed and failed at each system call by which SQLite writes, syncs, removes and
# locks: an acknowledged row is there, and a refused one is not (sqlite/D2).

bats_require_minimum_version 1.5.0
load rig/require

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# faults MODE ACTION [CALL]: a database with that journal, and strace's injection.
faults() {
	local call count i status rows runs=0 row="insert into t values(1)"
	sqlite3 base.db "pragma journal_mode=$1; create table t(a)" >/dev/null
	: >a.db-turnstile
	cp base.db a.db
	strace -o log sqlite-run a.db "$row"
	for call in pwrite64 fdatasync unlink ftruncate "${@:3}"; do
		count=$(grep -c "^$call(" log) || continue
		for ((i = 1; i <= count; i++)); do
			rm -f a.db a.db-wal a.db-shm a.db-journal
			cp base.db a.db
			status=0
			strace -o /dev/null -e inject="$call:${2/@/$i}" \
				sqlite-run -w 1 a.db "$row" >out 2>&1 || status=$?
			rows=$(sqlite3 a.db 'pragma integrity_check; select count(*) from t')
			case $status:${rows//$'\n'/ } in
			0:'ok 1' | 137:'ok '[01] | 7[145]:'ok 0') ;;
			76:'ok '[01] | 79:'ok '[01]) grep -q 'it may be in' out ;;
			*)
				echo "$1, $2, $call#$i: status $status, rows $rows"
				cat out
				return 1
				;;
			esac
			sqlite-run a.db 'insert into t values(2)'
			runs=$((runs + 1))
		done
	done
	[ "$runs" -ge 10 ]
}

@test "write-ahead log: killed" { faults wal signal=KILL:when=@; }
@test "write-ahead log: EIO once" { faults wal error=EIO:when=@ fcntl; }
@test "write-ahead log: EIO at a call and all later" { faults wal error=EIO:when=@+; }
@test "rollback journal: killed" { faults delete signal=KILL:when=@; }
@test "rollback journal: EIO once" { faults delete error=EIO:when=@ fcntl; }
@test "rollback journal: ENOSPC at a call and all later" { faults delete error=ENOSPC:when=@+; }

@test "loses nothing and leaves nothing half done when the disk is full" {
	require_loop
	truncate -s 4M image
	mkfs.ext4 -q image
	mkdir disk
	mount -o loop image disk
	(
		cd disk
		sqlite-run a.db 'create table t(a)'
		local done=0 status=0
		while :; do
			sqlite-run a.db 'insert into t values(zeroblob(100000))' 2>../out ||
				status=$?
			[ "$status" = 0 ] || break
			done=$((done + 1))
		done
		[ "$status" = 74 ]
		grep -q 'the disk is full' ../out
		[ "$(sqlite3 a.db 'pragma integrity_check; select count(*) from t')" = "ok
$done" ]
	) || { umount disk; false; }
	umount disk
}

# Mount a disk of ext4 with small blocks, of which the last bytes of each page of a -shm are one in
# four; fill it up but for $1 KB, and write. $2: what is taken out; then $status, and whether the
# row is there, in $row.
write_on_full_disk() {
	local free
	rm -f m/filler m/x.db-wal m/x.db-shm
	sync -f m
	free=$(df --output=avail -k m | tail -n 1)
	fallocate -l $((free - $1))K m/filler
	status=0
	output=$(HOLDFAST_WITHOUT=$2 "$HF_FAULT_BIN/sqlite-run" m/x.db \
		"INSERT INTO t VALUES ($1)" 2>&1) || status=$?
	rm m/filler
	row=$(sqlite3 m/x.db "SELECT count(*) FROM t WHERE a = $1")
}

@test "reports a full disk under -shm as an error, without SIGBUS" {
	local left seen=' '
	[ "$(id -u)" = 0 ] || skip 'needs root, to mount'
	truncate -s 16M image
	mkfs.ext4 -q -b 1024 -m 0 image
	mkdir m
	mount -o loop image m || skip 'no loop devices here'
	sqlite-run m/x.db 'CREATE TABLE t (a)'
	for left in 4 8 10 12 16 20 24 28 32 34 36 38 40 48; do
		write_on_full_disk "$left" ''
		case $status in
		0) [ "$row" = 1 ] ;;
		74)
			[ "$row" = 0 ]
			grep -qE 'No space left on device|disk is full' <<<"$output"
			;;
		*) false ;;
		esac
		seen+="$status "
	done
	[[ $seen == *' 0 '* && $seen == *' 74 '* ]]
	# without the precaution it is a SIGBUS, and the tool reports what is known by then
	seen=' '
	for left in 8 10 16 20 24 28 32; do
		write_on_full_disk "$left" shm_space
		case $status in
		0) [ "$row" = 1 ] ;;
		74) [ "$row" = 0 ] ;;
		79) [[ $output == *'-shm file: is the disk full'*'not known whether'* ]] ;;
		*) false ;;
		esac
		[[ $output != *-shm* ]] || seen+="$status "
	done
	umount m
	[[ $seen == *' 74 '* && $seen == *' 79 '* ]]
}

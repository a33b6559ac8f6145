/* SPDX-License-Identifier: ISC */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

/* Of XFS, and of every file system that took it over. */
#define SHUTDOWN _IOR('X', 125, uint32_t)
#define SHUTDOWN_LOG 1
#define SHUTDOWN_NOLOG 2

/*
 * The kernel's own commits come every few seconds; here only when a cut asks for them. And ext4 is
 * not to guess that a file renamed over another wants its data on disk (auto_da_alloc): that hides
 * an fsync left out, until it does not.
 */
static const struct kind {
	const char *name, *options;
	off_t size;
	const char *mkfs[12];
} kinds[] = {
	{"ext4",
	 "commit=300,noauto_da_alloc",
	 32 << 20,
	 {"mkfs.ext4", "-q", "-F", "-m", "0", NULL}},
	{"xfs", "", 300 << 20, {"mkfs.xfs", "-q", "-f", NULL}},
	{"tmpfs", "size=1m", 0, {NULL}},
	{"btrfs", "commit=300", 128 << 20, {"mkfs.btrfs", "-q", "-f", NULL}},
};

static const struct kind *kind;
static char root[PATH_MAX], image[PATH_MAX], spare[PATH_MAX], device[64];
static char other_root[PATH_MAX], other_image[PATH_MAX];

static void run(const char *const *words, const char *operand)
{
	char *argv[16];
	int status, n = 0;
	pid_t pid;

	while (words[n])
		argv[n] = (char *)words[n], n++;
	argv[n++] = (char *)operand;
	argv[n] = NULL;
	if ((pid = fork()) == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		dup2(open("/dev/null", O_WRONLY), 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		rig_die("%s failed", argv[0]);
}

/* A free loop device over the file. It goes when the last user closes it. */
static int attach(const char *path)
{
	struct loop_config config = {.info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open(path, O_RDWR | O_CLOEXEC), loop = -1;

	config.fd = (uint32_t)file;
	for (int tries = 0; tries < 50; tries++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);

		snprintf(device, sizeof(device), "/dev/loop%d", number);
		loop = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0)
			break;
		if (loop >= 0)
			close(loop);
		loop = -1;
		if (errno != EBUSY && errno != ENXIO) /* another process was quicker */
			break;
	}
	if (loop < 0)
		rig_die("cannot have a loop device: %m");
	close(file);
	close(control);
	return loop;
}

/* Every second time others are there first, so that the numbers of the device (for btrfs, of the
 * mount) are not the old ones: after a reboot they may not be either. */
static void mount_disk(void)
{
	static bool others;
	int loop = -1, other = -1;

	if (others && (mount("none", other_root, "tmpfs", 0, "size=4k") < 0 ||
		       (other = attach(other_image)) < 0))
		rig_die("cannot mount another: %m");
	if (kind->size)
		loop = attach(image);
	if (mount(device, root, kind->name, MS_NOATIME, kind->options) < 0)
		rig_die("cannot mount %s on %s: %m", kind->name, device);
	if (others && (umount2(other_root, 0) < 0 || close(other) < 0))
		rig_die("cannot unmount another: %m");
	if (loop >= 0)
		close(loop);
	others = !others;
}

static void unmount_disk(void)
{
	struct btrfs_ioctl_vol_args forget = {.fd = 0};
	int control, tries = 0;

	while (umount2(root, 0) < 0) {
		if (errno != EBUSY || ++tries > 500)
			rig_die("cannot unmount %s: %m", kind->name);
		usleep(10000); /* the kernel is still closing a killed process's files */
	}
	/* btrfs knows disks by what is written on them, and would take a copy for the original */
	if (strcmp(kind->name, "btrfs") == 0 &&
	    (control = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC)) >= 0) {
		snprintf(forget.name, sizeof(forget.name), "%s", device);
		ioctl(control, BTRFS_IOC_FORGET_DEV, &forget);
		close(control);
	}
}

/* Copy the image as it is, leaving holes for zeros. */
static void copy_image(void)
{
	static char buf[1 << 16], zeros[1 << 16];
	int from = open(image, O_RDONLY | O_CLOEXEC);
	int to = open(spare, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t at = 0;
	ssize_t got;

	if (from < 0 || to < 0 || ftruncate(to, kind->size) < 0)
		rig_die("cannot copy the image: %m");
	while ((at = lseek(from, at, SEEK_DATA)) >= 0) {
		if ((got = pread(from, buf, sizeof(buf), at)) <= 0)
			rig_die("cannot read the image: %m");
		if (memcmp(buf, zeros, (size_t)got) != 0 && pwrite(to, buf, (size_t)got, at) != got)
			rig_die("cannot write the image: %m");
		at += got;
	}
	close(from);
	close(to);
}

const char *const disk_cuts[] = {[DISK_NOLOG] = "nolog", [DISK_LOG] = "log", [DISK_COPY] = "copy"};

bool disk_cut_named(const char *name, enum disk_cut *how)
{
	for (*how = DISK_NOLOG; *how <= DISK_COPY; ++*how)
		if (strcmp(disk_cuts[*how], name) == 0)
			return true;
	return false;
}

void disk_make(const char *where, const char *fs)
{
	int fd;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, fs) == 0)
			kind = &kinds[i];
	if (!kind)
		rig_die("no such file system: %s", fs);
	if (geteuid() != 0)
		rig_die("cutting the power needs root");
	mkdir(where, 0700);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("holdfast-disk", where, "tmpfs", 0, "size=1g,mode=700") < 0)
		rig_die("cannot have a mount namespace: %m");
	snprintf(image, sizeof(image), "%s/a.img", where);
	snprintf(spare, sizeof(spare), "%s/b.img", where);
	snprintf(root, sizeof(root), "%s/root", where);
	snprintf(other_image, sizeof(other_image), "%s/other.img", where);
	rig_spit(other_image, (struct rig_bytes){(char[4096]){0}, 4096}, 0600);
	snprintf(other_root, sizeof(other_root), "%s/other", where);
	if (mkdir(root, 0700) < 0 || mkdir(other_root, 0700) < 0 ||
	    (fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 ||
	    ftruncate(fd, kind->size) < 0 || close(fd) < 0)
		rig_die("cannot make %s: %m", image);
	if (kind->mkfs[0])
		run(kind->mkfs, image);
	mount_disk();
}

const char *disk_root(void)
{
	return root;
}

void disk_sync(void)
{
	int fd = open(root, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		rig_die("cannot sync %s: %m", root);
	close(fd);
}

void disk_commit(void)
{
	int fd = open(root, O_RDONLY | O_CLOEXEC);
	uint64_t transaction = 0;

	if (strcmp(kind->name, "btrfs") != 0) {
		close(fd);
		return;
	}
	if (fd < 0 || ioctl(fd, BTRFS_IOC_START_SYNC, &transaction) < 0 ||
	    ioctl(fd, BTRFS_IOC_WAIT_SYNC, &transaction) < 0)
		rig_die("cannot commit: %m");
	close(fd);
}

static void shut_down(uint32_t flags)
{
	int fd = open(root, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, SHUTDOWN, &flags) < 0)
		rig_die("cannot shut %s down: %m", kind->name);
	close(fd);
}

void disk_cut(enum disk_cut how)
{
	bool btrfs = strcmp(kind->name, "btrfs") == 0;

	if (btrfs && how == DISK_LOG)
		disk_commit();
	if (btrfs || how == DISK_COPY)
		copy_image();
	else
		shut_down(how == DISK_LOG ? SHUTDOWN_LOG : SHUTDOWN_NOLOG);
}

void disk_back(void)
{
	unmount_disk();
	if (rename(spare, image) < 0 && errno != ENOENT) /* there is a copy only if one was made */
		rig_die("cannot exchange the disks: %m");
	mount_disk();
}

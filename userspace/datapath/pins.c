// SPDX-License-Identifier: Apache-2.0
/* The pin directory: mounted, made, locked, removed. The lock is flock() on the directory itself, for a bpffs
 * holds no regular file; it ends with the process, so a killed agent never blocks the next one. */
#include "userspace/datapath/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "userspace/base/attributes.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/parse.h"

#ifndef BPF_FS_MAGIC
#define BPF_FS_MAGIC 0xcafe4a11
#endif

#define SYSTEM_BPFFS "/sys/fs/bpf"
#define MOUNT_SOURCE                                                                                         \
	"fairway" /* in mountinfo: this bpffs was mounted by us, on a pin directory, and goes with it */

static int path_format(char *buffer, size_t size, const char *format, const char *a, const char *b)
{
	int n = snprintf(buffer, size, format, a, b);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

static int make_dirs(const char *path)
{
	char partial[PATH_MAX];
	size_t length = strlen(path);

	if (length >= sizeof(partial))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(partial, path, i);
		partial[i] = '\0';
		if (mkdir(partial, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

/* Below /sys/fs/bpf the system's own bpffs is mounted, as systemd does; anywhere else one on the directory
 * itself. */
static int root_prepare(const char *root)
{
	bool below_system = strncmp(root, SYSTEM_BPFFS "/", strlen(SYSTEM_BPFFS "/")) == 0;
	int r;

	if (below_system && !is_bpffs(SYSTEM_BPFFS)) {
		if (mount("bpf", SYSTEM_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
			return -errno;
		log_info("datapath: mounted a bpffs on %s", SYSTEM_BPFFS);
	}
	r = make_dirs(root);
	if (r < 0)
		return r;
	if (is_bpffs(root))
		return 0;
	if (mount(MOUNT_SOURCE, root, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	log_info("datapath: mounted a bpffs on %s", root);
	return 0;
}

/* A cleanup may remove the directory between our open and our flock: then the lock is on nothing, and
 * -EAGAIN. */
static int root_lock(const char *root, int *ret_fd)
{
	cleanup(closep) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat held, named;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(fd, &held) < 0)
		return -errno;
	if (stat(root, &named) < 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev)
		return -EAGAIN;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* "v12" -> 12; 0: not a version directory. */
static unsigned version_parse(const char *name)
{
	uint64_t version;

	if (name[0] != 'v' || name[1] == '0' || parse_number(name + 1, 1, 1000000, &version) < 0)
		return 0;
	return version;
}

static int pins_set_root(struct pins *pins, const char *root)
{
	size_t length = strlen(root);

	*pins = (struct pins){ .lock_fd = -1 };
	while (length > 1 && root[length - 1] == '/')
		length--;
	if (root[0] != '/')
		return -EINVAL;
	if (length >= sizeof(pins->root))
		return -ENAMETOOLONG;
	memcpy(pins->root, root, length);
	return 0;
}

struct other_version {
	unsigned ours, other;
};

static int note_other_version(void *userdata, unsigned version, const char *dir _unused_)
{
	struct other_version *seen = userdata;

	if (version != seen->ours)
		seen->other = version;
	return 0;
}

int pins_open(const char *root, unsigned version, struct pins *ret, unsigned *ret_other)
{
	struct other_version seen = { .ours = version };
	struct pins pins;
	char number[16];
	int r;

	r = pins_set_root(&pins, root);
	if (r < 0)
		return r;
	do {
		r = root_prepare(pins.root);
		if (r < 0)
			return r;
		r = root_lock(pins.root, &pins.lock_fd);
	} while (r == -EAGAIN || r == -ENOENT);
	if (r < 0)
		return r;
	r = pins_each_version(&pins, note_other_version, &seen);
	if (r == 0 && seen.other) {
		*ret_other = seen.other;
		r = -EPROTO;
	}
	snprintf(number, sizeof(number), "%u", version);
	if (r == 0)
		r = path_format(pins.home, sizeof(pins.home), "%s/v%s", pins.root, number);
	if (r == 0)
		r = path_format(pins.maps, sizeof(pins.maps), "%s/%s", pins.home, "maps");
	if (r == 0)
		r = path_format(pins.links, sizeof(pins.links), "%s/%s", pins.home, "links");
	if (r == 0)
		r = make_dirs(pins.maps);
	if (r == 0)
		r = make_dirs(pins.links);
	if (r < 0) {
		pins_close(&pins);
		return r;
	}
	*ret = pins;
	return 0;
}

void pins_close(struct pins *pins)
{
	if (pins->lock_fd >= 0)
		close(pins->lock_fd);
	pins->lock_fd = -1;
}

int pins_lock_existing(const char *root, struct pins *ret)
{
	struct pins pins;
	int r;

	r = pins_set_root(&pins, root);
	if (r < 0)
		return r;
	if (access(pins.root, F_OK) < 0)
		return -errno;
	if (!is_bpffs(pins.root))
		return -ENOENT;
	r = root_lock(pins.root, &pins.lock_fd);
	if (r < 0)
		return r == -EAGAIN ? -ENOENT : r;
	*ret = pins;
	return 0;
}

int pins_each_entry(const char *dir, int (*fn)(void *userdata, const char *name, const char *path),
		    void *userdata)
{
	struct dirent **entries;
	int n, r = 0;

	n = scandir(dir, &entries, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		char path[PATH_MAX];

		if (r == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			r = path_format(path, sizeof(path), "%s/%s", dir, name);
			if (r == 0)
				r = fn(userdata, name, path);
		}
		free(entries[i]);
	}
	free(entries);
	return r;
}

struct version_walk {
	int (*fn)(void *userdata, unsigned version, const char *dir);
	void *userdata;
};

static int version_visit(void *userdata, const char *name, const char *path)
{
	struct version_walk *walk = userdata;
	unsigned version = version_parse(name);

	return version ? walk->fn(walk->userdata, version, path) : 0;
}

int pins_each_version(const struct pins *pins, int (*fn)(void *userdata, unsigned version, const char *dir),
		      void *userdata)
{
	struct version_walk walk = { fn, userdata };

	return pins_each_entry(pins->root, version_visit, &walk);
}

/* A bpffs holds no file of ours: what is to be remembered is the name of a directory. */
int pins_note_ports(const char *home, uint16_t first, uint16_t last)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ports_%u_%u", home, first, last);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

struct netns_walk {
	unsigned long ours;
	bool other;
};

static int netns_visit(void *userdata, const char *name, const char *path)
{
	struct netns_walk *walk = userdata;
	unsigned long inode;
	int end = 0;

	if (sscanf(name, "netns_%lu%n", &inode, &end) != 1 || name[end] || inode == walk->ours)
		return 0;
	walk->other = true;
	return rmdir(path) < 0 ? -errno : 0;
}

int pins_note_netns(const char *home)
{
	struct netns_walk walk = { 0 };
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	walk.ours = st.st_ino;
	r = pins_each_entry(home, netns_visit, &walk);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/netns_%lu", home, walk.ours);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return walk.other;
}

struct ports_walk {
	void (*fn)(void *userdata, uint16_t first, uint16_t last);
	void *userdata;
};

static int ports_visit(void *userdata, const char *name, const char *path _unused_)
{
	struct ports_walk *walk = userdata;
	unsigned first, last;
	int end = 0;

	if (sscanf(name, "ports_%5u_%5u%n", &first, &last, &end) == 2 && !name[end] && first <= last &&
	    last <= UINT16_MAX)
		walk->fn(walk->userdata, first, last);
	return 0;
}

int pins_each_ports(const char *home, void (*fn)(void *userdata, uint16_t first, uint16_t last),
		    void *userdata)
{
	struct ports_walk walk = { fn, userdata };

	return pins_each_entry(home, ports_visit, &walk);
}

static int remove_tree(void *userdata _unused_, const char *name _unused_, const char *path)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISDIR(st.st_mode))
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	r = pins_each_entry(path, remove_tree, NULL);
	if (r < 0)
		return r;
	return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_version(void *userdata _unused_, const char *name, const char *path)
{
	return version_parse(name) ? remove_tree(NULL, name, path) : 0;
}

/* Whether pins_open() mounted a bpffs on exactly this directory. */
static bool mounted_by_us(const char *root)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[2 * PATH_MAX];
	bool found = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		char point[PATH_MAX], type[32], source[PATH_MAX];
		const char *dash = strstr(line, " - ");

		if (dash && sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 &&
		    sscanf(dash, " - %31s %4095s", type, source) == 2 && strcmp(point, root) == 0)
			found = strcmp(type, "bpf") == 0 && strcmp(source, MOUNT_SOURCE) == 0;
	}
	fclose(file);
	return found;
}

int pins_remove(struct pins *pins)
{
	int r = pins_each_entry(pins->root, remove_version, NULL);

	if (r == 0 && mounted_by_us(pins->root)) {
		pins_close(pins);
		if (umount2(pins->root, 0) < 0)
			r = -errno;
	}
	/* ENOTEMPTY: somebody else's pins; EBUSY: the directory is a mount of the administrator's. Both stay.
	 */
	if (r == 0 && rmdir(pins->root) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY)
		r = -errno;
	pins_close(pins);
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for a byte, starts a process that shares its memory and whose main thread
 * exits while another goes on, prints that process's pid and takes memory without end.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char stacks[2][1 << 16];

static int lives_on(void *arg)
{
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

static int exits(void *arg)
{
	clone(lives_on, stacks[1] + sizeof(stacks[1]),
	      CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_FS | CLONE_FILES, NULL);
	syscall(SYS_exit, 0);
	return 0;
}

static char state_of(int pid)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		exit(1);
	fclose(f);
	return strrchr(line, ')')[2];
}

int main(void)
{
	FILE *adj;
	int pid;

	if (read(0, &pid, 1) != 1)
		return 1;
	/* With CLONE_VFORK each keeps an oom_score_adj of its own. */
	pid = clone(exits, stacks[0] + sizeof(stacks[0]), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	adj = fopen("/proc/self/oom_score_adj", "w");
	if (pid < 0 || !adj || fputs("500", adj) < 0 || fclose(adj))
		return 1;
	while (state_of(pid) != 'Z')
		usleep(1000);
	printf("%d\n", pid);
	fflush(stdout);
	for (;;)
		memset(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0),
		       1, 1 << 20);
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

#include "textflag.h"

// CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM
#define FLAGS 0x50f00

// func idleThread() int
TEXT ·idleThread(SB), NOSPLIT, $0-8
	MOVQ	$56, AX // clone
	MOVQ	$FLAGS, DI
	XORQ	SI, SI // the stack of the caller, which the thread does not touch
	XORQ	DX, DX
	XORQ	R10, R10
	XORQ	R8, R8
	SYSCALL
	TESTQ	AX, AX
	JZ	idle
	MOVQ	AX, ret+0(FP)
	RET
idle:
	MOVQ	$34, AX // pause
	SYSCALL
	JMP	idle

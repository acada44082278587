// SPDX-License-Identifier: Apache-2.0

//go:build linux

#include "textflag.h"

// CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM
#define FLAGS 0x50f00

// func idleThread() int
TEXT ·idleThread(SB), NOSPLIT, $0-8
	MOVD	$220, R8 // clone
	MOVD	$FLAGS, R0
	MOVD	$0, R1 // the stack of the caller, which the thread does not touch
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	SVC
	CBZ	R0, idle
	MOVD	R0, ret+0(FP)
	RET
idle:
	MOVD	$73, R8 // ppoll
	MOVD	$0, R0
	MOVD	$0, R1
	MOVD	$0, R2
	MOVD	$0, R3
	MOVD	$0, R4
	SVC
	B	idle

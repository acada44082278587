// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

const noBPFName = "without-bpf"

func scriptNoBPF(ts *testscript.TestScript, _ bool, _ []string) { ts.Fatalf("needs Linux") }

func noBPF() {}

// SPDX-License-Identifier: Apache-2.0

// Command kernels puts the kernels of the VM tests into the cache.
//
//	go run ./internal/vmtest/kernels [-update] [NAME…]
//
// NAME is arch-series, such as amd64-6.1; without one, all are fetched. What
// the cache already holds is left alone unless -update is given.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"github.com/oomtrace/oomtrace/internal/vmtest"
)

func main() {
	update := flag.Bool("update", false, "fetch the newest packages even if a kernel is in the cache")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *update, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, update bool, names []string) error {
	cache, err := vmtest.CacheDir()
	if err != nil {
		return err
	}
	var chosen []vmtest.Kernel
	for _, k := range vmtest.Kernels() {
		if len(names) == 0 || slices.Contains(names, k.String()) {
			chosen = append(chosen, k)
		}
	}
	if len(names) > 0 && len(chosen) != len(names) {
		return fmt.Errorf("unknown kernel among %q; there are %v", names, vmtest.Kernels())
	}
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	return vmtest.Fetch(ctx, cache, chosen, update, say)
}

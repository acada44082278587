// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// guestModules are what a guest needs to see its virtio disk; kernels have
// some of them, all, or none built in.
var guestModules = []string{"virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"}

// Fetch puts the kernels that are missing into the cache, all with update.
// It needs apt, dpkg-deb, xz and zstd. say is told what is done.
func Fetch(ctx context.Context, cache string, kernels []Kernel, update bool, say func(format string, args ...any)) error {
	var missing []Kernel
	for _, k := range kernels {
		if f, err := k.Cached(cache); err == nil && !update {
			say("%s: %s", k, strings.ReplaceAll(strings.TrimSpace(f.Packages), "\n", ", "))
			continue
		}
		missing = append(missing, k)
	}
	if len(missing) == 0 {
		return nil
	}
	main, security, err := archives(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("make the cache: %w", err)
	}
	defer os.RemoveAll(work)
	a, err := newApt(filepath.Join(work, "apt"), main, security, suitesOf(missing))
	if err != nil {
		return err
	}
	say("reading the package lists of %s", strings.Join(suitesOf(missing), ", "))
	if _, err := a.run(ctx, work, "apt-get", "-qq", "update"); err != nil {
		return err
	}
	names, err := a.run(ctx, work, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return err
	}
	var failed []error
	for _, k := range missing {
		packages, err := k.fetch(ctx, a, strings.Fields(names), cache, filepath.Join(work, k.String()))
		if err != nil {
			failed = append(failed, fmt.Errorf("fetch kernel %s: %w", k, err))
			continue
		}
		say("%s: %s", k, strings.Join(packages, ", "))
	}
	return errors.Join(failed...)
}

// fetch downloads and unpacks the kernel into the folder work and moves what
// is needed of it into the cache in one step.
func (k Kernel) fetch(ctx context.Context, a *apt, names []string, cache, work string) ([]string, error) {
	ready := filepath.Join(work, "ready")
	if err := os.MkdirAll(ready, 0o755); err != nil {
		return nil, err
	}
	var packages []string
	for _, pattern := range k.packages {
		name, err := newest(names, pattern)
		if err != nil {
			return nil, fmt.Errorf("%w in %s: see the table of kernels in internal/vmtest/kernel.go", err, strings.Join(k.suites, ", "))
		}
		if _, err := a.run(ctx, work, "apt-get", "-qq", "download", name+":"+k.Arch); err != nil {
			return nil, err
		}
		debs, err := filepath.Glob(filepath.Join(work, name+"_*.deb"))
		if err != nil || len(debs) != 1 {
			return nil, fmt.Errorf("download of %s left %d files", name, len(debs))
		}
		version, err := output(ctx, work, nil, "dpkg-deb", "-f", debs[0], "Version")
		if err != nil {
			return nil, err
		}
		if _, err := output(ctx, work, nil, "dpkg-deb", "-x", debs[0], "root"); err != nil {
			return nil, err
		}
		packages = append(packages, name+" "+strings.TrimSpace(version))
	}
	if err := pick(ctx, filepath.Join(work, "root"), ready); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(ready, "packages"), []byte(strings.Join(packages, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	target := k.dir(cache)
	if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.RemoveAll(target), os.Rename(ready, target)); err != nil {
		return nil, err
	}
	return packages, os.RemoveAll(work)
}

// pick moves the image and the guest's modules, decompressed, from an
// unpacked package to the folder to.
func pick(ctx context.Context, root, to string) error {
	image := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name, compression, _ := strings.Cut(d.Name(), ".ko")
		switch {
		case strings.HasPrefix(name, "vmlinuz"):
			image = true
			return os.Rename(path, filepath.Join(to, "vmlinuz"))
		case name == d.Name() || !slices.Contains(guestModules, name):
			return nil
		}
		switch compression {
		case ".xz":
			_, err = output(ctx, "", nil, "xz", "-d", path)
		case ".zst":
			_, err = output(ctx, "", nil, "zstd", "-q", "-d", path)
		}
		if err != nil {
			return err
		}
		return os.Rename(strings.TrimSuffix(path, compression), filepath.Join(to, name+".ko"))
	})
	if err == nil && !image {
		err = errors.New("the packages hold no vmlinuz")
	}
	return err
}

// newest returns the name that matches the pattern as a whole and has the
// highest version numbers.
func newest(names []string, pattern string) (string, error) {
	re, err := regexp.Compile("^" + pattern + "$")
	if err != nil {
		return "", fmt.Errorf("package pattern: %w", err)
	}
	best := ""
	for _, n := range names {
		if re.MatchString(n) && (best == "" || compareNumbers(best, n) < 0) {
			best = n
		}
	}
	if best == "" {
		return "", fmt.Errorf("no package %s", pattern)
	}
	return best, nil
}

var digits = regexp.MustCompile(`[0-9]+`)

// compareNumbers compares the numbers that stand in two names, in order.
func compareNumbers(a, b string) int {
	return slices.CompareFunc(digits.FindAllString(a, -1), digits.FindAllString(b, -1), func(x, y string) int {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		return strings.Compare(x, y)
	})
}

// SPDX-License-Identifier: Apache-2.0

package vmtest

import (
	"fmt"
	"os"
	"path/filepath"
)

// Kernel is one kernel of the matrix: the newest Debian cloud kernel of a
// series.
type Kernel struct {
	Arch   string // amd64 or arm64, as Go and Debian both say
	Series string // 6.1

	// suites are the Debian suites that hold the series; one that ends in
	// -security is taken from the security archive.
	suites []string
	// packages are regular expressions, each for one package that is needed.
	packages []string
}

// Kernels returns the matrix, the only list of kernels that tests use.
func Kernels() []Kernel {
	return []Kernel{
		{"amd64", "5.10", []string{"bullseye-security"}, []string{`linux-image-5\.10\.0-[0-9]+-cloud-amd64`}},
		{"amd64", "6.1", []string{"bookworm", "bookworm-security"}, []string{`linux-image-6\.1\.0-[0-9]+-cloud-amd64`}},
		{"amd64", "6.12", []string{"trixie", "trixie-security"}, []string{`linux-image-6\.12\.[0-9]+\+deb13[.0-9]*-cloud-amd64`}},
		// From 7.x on the image and the modules are packages of their own.
		{"amd64", "7.2", []string{"trixie-backports", "sid"}, []string{
			`linux-binary-7\.2\.[0-9]+\+deb[0-9]+-cloud-amd64`, `linux-modules-7\.2\.[0-9]+\+deb[0-9]+-cloud-amd64`}},
		{"arm64", "6.1", []string{"bookworm", "bookworm-security"}, []string{`linux-image-6\.1\.0-[0-9]+-cloud-arm64`}},
		{"arm64", "6.12", []string{"trixie", "trixie-security"}, []string{`linux-image-6\.12\.[0-9]+\+deb13[.0-9]*-cloud-arm64`}},
	}
}

// String returns arch-series, the kernel's name in tests and in the cache.
func (k Kernel) String() string { return k.Arch + "-" + k.Series }

// CacheDir returns the folder that keeps the kernels:
// $OOMTRACE_CACHE, else oomtrace in the user's cache folder.
func CacheDir() (string, error) {
	if d := os.Getenv("OOMTRACE_CACHE"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a cache folder (or set OOMTRACE_CACHE): %w", err)
	}
	return filepath.Join(d, "oomtrace"), nil
}

// Files names what the cache holds of a kernel.
type Files struct {
	Image    string   // the bootable image
	Modules  []string // decompressed .ko files the guest loads, in any order
	Packages string   // the Debian packages and versions it came from, one a line
}

// Cached returns the kernel's files in the cache, or an error that wraps
// fs.ErrNotExist when it has not been fetched.
func (k Kernel) Cached(cache string) (Files, error) {
	dir := k.dir(cache)
	packages, err := os.ReadFile(filepath.Join(dir, "packages"))
	if err != nil {
		return Files{}, fmt.Errorf("kernel %s is not in the cache: %w", k, err)
	}
	modules, err := filepath.Glob(filepath.Join(dir, "*.ko"))
	if err != nil {
		return Files{}, fmt.Errorf("list modules: %w", err)
	}
	return Files{Image: filepath.Join(dir, "vmlinuz"), Modules: modules, Packages: string(packages)}, nil
}

func (k Kernel) dir(cache string) string { return filepath.Join(cache, "kernels", k.String()) }

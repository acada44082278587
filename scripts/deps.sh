#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs what `make generate` and `make test` need beside Go, and only what is
# missing. This is the one place that lists it. On a system without apt it names
# what to install.
set -euo pipefail

# A command or a file, and the Debian package that has it. clang and the headers
# are pinned by the distribution, since the BPF objects are committed and compared.
needs=(
	clang-16:clang-16
	llvm-strip-16:llvm-16
	clang-format-16:clang-format-16
	/usr/include/bpf/bpf_helpers.h:libbpf-dev
	gcc:gcc
	/usr/include/stdlib.h:libc6-dev
	git:git
	qemu-system-x86_64:qemu-system-x86
	qemu-system-aarch64:qemu-system-arm
	xz:xz-utils
	zstd:zstd
	cpio:cpio
	busybox:busybox-static
	unshare:util-linux
	setpriv:util-linux
	dpkg-deb:dpkg
	/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring
)

missing=()
for need in "${needs[@]}"; do
	what=${need%%:*}
	if ! command -v "$what" >/dev/null && ! [ -f "$what" ]; then
		missing+=("${need##*:}")
	fi
done
# A test has it kill. Installed it would be started, and watch over this machine, so only
# its program is taken.
early=${OOMTRACE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oomtrace}/bin/earlyoom
[ ${#missing[@]} -eq 0 ] && [ -x "$early" ] && exit 0

sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
if ! command -v apt-get >/dev/null; then
	echo "deps.sh: install what provides these Debian packages: ${missing[*]}; and put the program of earlyoom to $early" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
if [ ${#missing[@]} -gt 0 ]; then
	"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
fi
if ! [ -x "$early" ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	(cd "$work" && apt-get download -qq earlyoom && dpkg-deb -x earlyoom_*.deb .)
	install -D "$work/usr/bin/earlyoom" "$early"
fi

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The checks that need no test run: formatting, tidy modules, vet, builds for other
# systems, and that the committed BPF objects are what their sources generate.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
	echo "check.sh: $*" >&2
	exit 1
}

mapfile -t go_files < <(git ls-files -co --exclude-standard '*.go')
mapfile -t c_files < <(git ls-files -co --exclude-standard 'bpf/*.c' 'bpf/*.h')

unformatted=$(gofmt -l "${go_files[@]}")
[ -z "$unformatted" ] || fail "not formatted, run 'make fmt':"$'\n'"$unformatted"
if [ ${#c_files[@]} -gt 0 ]; then
	clang-format-16 --dry-run --Werror "${c_files[@]}" || fail "C is not formatted, run 'make fmt'"
fi

go mod tidy -diff >/dev/null || fail "go.mod or go.sum is not tidy, run 'go mod tidy'"

go vet ./...
go vet -C scripts/measure/peers . # a module of its own

# The offline commands run on any OS, the tracer on two architectures.
for target in linux/arm64 darwin/arm64 windows/amd64; do
	CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build -trimpath -o /dev/null ./cmd/oomtrace ||
		fail "does not build for $target"
done

# Compared with what is on disk, so that this works before a commit too.
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp bpf/*.o bpf/*_bpfe[lb].go "$before"/ 2>/dev/null || fail "no generated BPF objects in bpf/, run 'make generate'"
go generate ./bpf
for file in bpf/*.o bpf/*_bpfe[lb].go; do
	cmp -s "$file" "$before/${file##*/}" ||
		fail "$file is not what its source generates (clang-16): run 'make generate' and commit the result"
done

# SPDX-License-Identifier: Apache-2.0
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything fetched (linter, kernels) lives outside the tree.
CACHE := $(or $(OOMTRACE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/oomtrace)
export OOMTRACE_CACHE := $(CACHE)

# The linter is built from source by the Go toolchain in use.
LINT_VERSION := v2.15.0
LINT := $(CACHE)/bin/golangci-lint-$(LINT_VERSION)/golangci-lint

# As root, the tests that need privileges must run: a skip there is a failure.
PRIVILEGED := $(if $(filter 0,$(shell id -u)),1)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## the static binary ./oomtrace, reproducible
	CGO_ENABLED=0 go build -trimpath -buildvcs=auto -ldflags=-s -o oomtrace ./cmd/oomtrace

# Where `make install` puts things; DESTDIR is for who packages them. A binary that was
# built before is taken, so that root needs no Go.
PREFIX ?= /usr/local
UNITDIR ?= /etc/systemd/system
UNIT := $(DESTDIR)$(UNITDIR)/oomtrace.service

.PHONY: install
install: ## the binary to PREFIX/bin, the unit to UNITDIR (see docs/service.md)
	[ -x oomtrace ] || $(MAKE) build
	install -D -m 755 oomtrace $(DESTDIR)$(PREFIX)/bin/oomtrace
	install -d $(dir $(UNIT))
	sed 's|^ExecStart=/usr/local/|ExecStart=$(PREFIX)/|' scripts/systemd/oomtrace.service >$(UNIT)
	chmod 644 $(UNIT)

.PHONY: uninstall
uninstall: ## the same away again; the record in /var/lib/oomtrace stays
	rm -f $(DESTDIR)$(PREFIX)/bin/oomtrace $(UNIT)

.PHONY: generate
generate: deps ## rebuild the BPF objects and their Go bindings
	go generate ./bpf

.PHONY: check
check: deps ## formatting, vet, other platforms, generated files
	scripts/check.sh

.PHONY: test
test: check lint ## everything: checks, lint, unit and native tests, VM tests
	OOMTRACE_PRIVILEGED=$(PRIVILEGED) go test -race -timeout 15m ./...
	$(MAKE) vmtest

.PHONY: vmtest
vmtest: deps ## real OOM kills and clock changes in virtual machines, every kernel
	go run ./internal/vmtest/kernels
	OOMTRACE_VM=1 go test -count=1 -timeout 40m ./internal/vmtest/...

.PHONY: bench
bench: ## benchmarks of the decoders, the encoder and the tables
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: lint
lint: $(LINT) ## golangci-lint, pinned
	$(LINT) run ./...

.PHONY: fmt
fmt: ## format Go and C
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')
	clang-format-16 -i $$(git ls-files -co --exclude-standard 'bpf/*.c' 'bpf/*.h')

.PHONY: deps
deps:
	@scripts/deps.sh

$(LINT):
	GOBIN=$(@D) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

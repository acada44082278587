// SPDX-License-Identifier: Apache-2.0

// Package kubeletconf reads what a kubelet's configuration says of swap. It is no YAML
// parser: it knows the form that kubeadm, k3s and the cloud providers write, block style
// with one key a line, and JSON on lines of its own.
package kubeletconf

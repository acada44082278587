// SPDX-License-Identifier: Apache-2.0

package kubeletconf

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/oomtrace/oomtrace/decode/event"
)

const kubeadm = `apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
cgroupDriver: systemd
failSwapOn: false # swap is for pods
featureGates:
  NodeSwap: true
kind: KubeletConfiguration
memorySwap:
  swapBehavior: LimitedSwap
nodeStatusReportFrequency: 0s
`

func TestAdd(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       Swap
	}{
		{"kubeadm", kubeadm, Swap{event.Ptr(false), "LimitedSwap"}},
		{"an empty memorySwap, as kubeadm writes it", "memorySwap: {}\nkind: x\n", Swap{}},
		{"flow style", "memorySwap: {swapBehavior: NoSwap}\n", Swap{Behavior: "NoSwap"}},
		{"json", "{\n  \"failSwapOn\": true,\n  \"memorySwap\": {\n    \"swapBehavior\": \"UnlimitedSwap\"\n  }\n}\n", Swap{event.Ptr(true), "UnlimitedSwap"}},
		{"another's swapBehavior", "memorySwap:\nother:\n  swapBehavior: LimitedSwap\n", Swap{}},
		{"what is no value", "failSwapOn: perhaps\nmemorySwap:\n  swapBehavior: Much\n", Swap{}},
		{"nothing", "", Swap{}},
	} {
		var s Swap
		s.Add([]byte(tt.file))
		if diff := cmp.Diff(tt.want, s); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAddFlags(t *testing.T) {
	for _, tt := range []struct {
		name        string
		args        []string
		want        Swap
		config, dir string
	}{
		{"kubeadm", []string{"/usr/bin/kubelet", "--kubeconfig=/etc/kubernetes/kubelet.conf", "--config=/var/lib/kubelet/config.yaml"},
			Swap{event.Ptr(false), "LimitedSwap"}, "/var/lib/kubelet/config.yaml", ""},
		{"a flag goes before the file", []string{"kubelet", "--fail-swap-on=true", "--config", "/c", "--config-dir", "/d"},
			Swap{event.Ptr(true), "LimitedSwap"}, "/c", "/d"},
		{"a flag without a value", []string{"kubelet", "--fail-swap-on", "--v=2"}, Swap{event.Ptr(true), "LimitedSwap"}, "", ""},
		{"nothing", nil, Swap{event.Ptr(false), "LimitedSwap"}, "", ""},
	} {
		var s Swap
		s.Add([]byte(kubeadm))
		config, dir := s.AddFlags(tt.args)
		if diff := cmp.Diff(tt.want, s); diff != "" || config != tt.config || dir != tt.dir {
			t.Errorf("%s: %q %q (-want +got):\n%s", tt.name, config, dir, diff)
		}
	}
}

func FuzzAdd(f *testing.F) {
	f.Add([]byte(kubeadm))
	f.Add([]byte("memorySwap: {swapBehavior"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var s Swap
		s.Add(file)
		switch s.Behavior {
		case "", "NoSwap", "LimitedSwap", "UnlimitedSwap":
		default:
			t.Errorf("%q", s.Behavior)
		}
	})
}

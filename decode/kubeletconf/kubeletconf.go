// SPDX-License-Identifier: Apache-2.0

package kubeletconf

import (
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Swap is what a kubelet makes of swap. What is not set is absent: the kubelet then
// refuses to start where there is swap (failSwapOn), and gives none to pods (NoSwap, as
// of 1.28; UnlimitedSwap was the default of earlier ones where the feature was on).
type Swap struct {
	FailSwapOn *bool
	Behavior   string // NoSwap, LimitedSwap, UnlimitedSwap; "" is not set
}

// Add reads a KubeletConfiguration, whose settings go before those of the files so far,
// as those of a drop-in do.
func (s *Swap) Add(file []byte) {
	inSwap := -1 // the indent of memorySwap, while the lines are within it
	for line := range strings.Lines(string(file)) {
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		key, value, ok := strings.Cut(text, ":")
		if indent <= inSwap {
			inSwap = -1
		}
		if !ok {
			continue
		}
		key, value = word(key), word(value)
		switch {
		case key == "memorySwap":
			inSwap = indent
			// {swapBehavior: LimitedSwap}
			if flow, ok := strings.CutPrefix(value, "{"); ok && flow != "" {
				inSwap = -1
				if k, v, ok := strings.Cut(strings.TrimSuffix(flow, "}"), ":"); ok && word(k) == "swapBehavior" {
					s.behavior(word(v))
				}
			}
		case key == "swapBehavior" && inSwap >= 0:
			s.behavior(value)
		case key == "failSwapOn":
			if b, err := strconv.ParseBool(value); err == nil {
				s.FailSwapOn = &b
			}
		}
	}
}

// AddFlags reads a kubelet's command line, whose flags go before all files. config is the
// value of --config, configDir that of --config-dir.
func (s *Swap) AddFlags(args []string) (config, configDir string) {
	for i, arg := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") {
			continue
		}
		if !ok && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			value = args[i+1]
		}
		switch name {
		case "fail-swap-on":
			if b, err := strconv.ParseBool(value); err == nil {
				s.FailSwapOn = &b
			} else if !ok {
				s.FailSwapOn = event.Ptr(true)
			}
		case "config":
			config = value
		case "config-dir":
			configDir = value
		}
	}
	return config, configDir
}

func (s *Swap) behavior(value string) {
	switch value {
	case "NoSwap", "LimitedSwap", "UnlimitedSwap":
		s.Behavior = value
	case "":
		s.Behavior = ""
	}
}

// word takes white space, quotes, a comma at the end and a comment off.
func word(s string) string {
	if head, _, ok := strings.Cut(s, " #"); ok {
		s = head
	}
	s = strings.TrimSuffix(strings.TrimSpace(s), ",")
	return strings.Trim(s, `"' `)
}

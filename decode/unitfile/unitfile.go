// SPDX-License-Identifier: Apache-2.0

package unitfile

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/oomtrace/oomtrace/decode/event"
)

// Properties are settings of a unit by the names that systemctl gives them; "" is not
// set. Sizes are a number of bytes, "infinity", or a share of the memory, "40%".
type Properties struct {
	MemoryMax      string
	MemoryHigh     string
	MemorySwapMax  string
	TasksMax       string
	OOMScoreAdjust string
	OOMPolicy      string
}

// Add reads one more file, whose settings go before those of the files so far.
func (p *Properties) Add(file []byte) {
	section := ""
	continued := ""
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if line != "" && (line[0] == '#' || line[0] == ';') {
			continue // within a continued line too
		}
		line = continued + line
		if head, ok := strings.CutSuffix(line, `\`); ok {
			continued = head + " "
			continue
		}
		continued = ""
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !resources(section) {
			continue
		}
		p.set(strings.TrimSpace(key), strings.TrimSpace(value))
	}
}

// resources says whether a section has the settings of systemd.resource-control(5).
func resources(section string) bool {
	switch section {
	case "Service", "Slice", "Scope", "Socket", "Mount", "Swap":
		return true
	}
	return false
}

func (p *Properties) set(key, value string) {
	switch key {
	case "MemoryMax", "MemoryLimit": // the latter of v1, which MemoryMax goes before
		if key == "MemoryLimit" && p.MemoryMax != "" {
			return
		}
		setSize(&p.MemoryMax, value)
	case "MemoryHigh":
		setSize(&p.MemoryHigh, value)
	case "MemorySwapMax":
		setSize(&p.MemorySwapMax, value)
	case "TasksMax":
		setSize(&p.TasksMax, value)
	case "OOMScoreAdjust":
		if n, err := strconv.Atoi(value); err == nil && n >= -1000 && n <= 1000 {
			p.OOMScoreAdjust = strconv.Itoa(n)
		}
	case "OOMPolicy":
		if value == "continue" || value == "stop" || value == "kill" {
			p.OOMPolicy = value
		}
	}
}

// setSize takes a size; an empty one unsets it. systemd passes over what it does not
// understand, and so does this.
func setSize(dst *string, value string) {
	switch {
	case value == "", value == "infinity":
		*dst = value
		return
	case strings.HasSuffix(value, "%"):
		if n, err := strconv.ParseFloat(value[:len(value)-1], 64); err == nil && n >= 0 && n <= 100 {
			*dst = value
		}
		return
	}
	number, shift := value, 0
	if i := strings.IndexByte("BKMGTPE", value[len(value)-1]); i >= 0 {
		number, shift = value[:len(value)-1], 10*i
	}
	if n, err := strconv.ParseUint(number, 10, 63-shift); err == nil {
		*dst = strconv.FormatUint(n<<shift, 10)
	}
}

// dirs are where the system manager looks for units, the first goes before the others
// (systemd.unit(5), "System Unit Search Path").
var dirs = [...]string{
	"etc/systemd/system.control",
	"run/systemd/system.control",
	"run/systemd/transient",
	"etc/systemd/system",
	"run/systemd/system",
	"usr/local/lib/systemd/system",
	"usr/lib/systemd/system",
	"lib/systemd/system",
}

// Lister tells what is in the host's root folder.
type Lister interface {
	// ReadFile reads a file by its path from the root.
	ReadFile(name string) ([]byte, error)
	// Names lists the names in a folder, in any order.
	Names(dir string) []string
}

// Read finds the files of a unit of the system manager and reads them; found are their
// paths, in the order in which they count. Whoever made the unit's name has no way out of
// the folders above.
func Read(root Lister, unit string) (p Properties, found []string) {
	if !isUnitName(unit) {
		return p, nil
	}
	add := func(name string) bool {
		file, err := root.ReadFile(name)
		if err == nil {
			p.Add(file)
			found = append(found, "/"+name)
		}
		return err == nil
	}
search:
	for _, name := range fragments(unit) {
		for _, dir := range dirs {
			if add(path.Join(dir, name)) {
				break search
			}
		}
	}
	// Drop-ins count in the order of their names, wherever they are; of two of one name
	// the one in the folder that goes before.
	where := map[string]string{}
	var order []string
	for _, dropins := range dropinNames(unit) {
		for _, dir := range dirs {
			at := path.Join(dir, dropins)
			for _, name := range root.Names(at) {
				if !strings.HasSuffix(name, ".conf") || strings.ContainsRune(name, '/') || where[name] != "" {
					continue
				}
				where[name] = path.Join(at, name)
				order = append(order, name)
			}
		}
	}
	slices.Sort(order)
	for _, name := range order {
		add(where[name])
	}
	return p, found
}

// fragments are the names of the file that a unit may have: its own, or of a template.
func fragments(unit string) []string {
	names := []string{unit}
	if template := template(unit); template != "" {
		names = append(names, template)
	}
	return names
}

// template is "getty@.service" for "getty@tty1.service"; "" if it is no instance.
func template(unit string) string {
	name, kind := split(unit)
	if at := strings.IndexByte(name, '@'); at >= 0 && at < len(name)-1 {
		return name[:at+1] + kind
	}
	return ""
}

// dropinNames are the folders of drop-ins, the most special first: the unit's own, its
// template's, and those of the names cut at each dash, "foo-.service.d".
func dropinNames(unit string) []string {
	all := []string{unit + ".d"}
	if template := template(unit); template != "" {
		all = append(all, template+".d")
	}
	name, kind := split(unit)
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '-' && i < len(name)-1 {
			all = append(all, name[:i+1]+kind+".d")
		}
	}
	return append(all, strings.TrimPrefix(kind, ".")+".d")
}

// split takes the kind, ".service", off.
func split(unit string) (name, kind string) {
	i := strings.LastIndexByte(unit, '.')
	return unit[:i], unit[i:]
}

// isUnitName accepts the characters that systemd does (unit_name_is_valid,
// src/basic/unit-name.c).
func isUnitName(unit string) bool {
	i := strings.LastIndexByte(unit, '.')
	if i <= 0 || len(unit) > 255 {
		return false
	}
	switch unit[i:] {
	case ".service", ".scope", ".slice", ".socket", ".mount", ".swap":
	default:
		return false
	}
	for _, c := range []byte(unit[:i]) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(`:-_.\@`, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// Bytes is a size in bytes of a machine with so much memory; nil where it is not set, or
// no limit.
func Bytes(size string, memory uint64) *uint64 {
	if share, ok := strings.CutSuffix(size, "%"); ok {
		if n, err := strconv.ParseFloat(share, 64); err == nil && memory > 0 {
			return event.Ptr(uint64(float64(memory) * n / 100))
		}
		return nil
	}
	n, err := strconv.ParseUint(size, 10, 64)
	if err != nil {
		return nil
	}
	return &n
}

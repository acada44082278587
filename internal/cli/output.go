// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"
	_ "time/tzdata" // --tz works where no zone data is installed

	"github.com/spf13/cobra"
)

// Formats of output. Text is another word for Table.
const (
	Table = "table"
	Text  = "text"
	Wide  = "wide"
	JSON  = "json"
	// Ticket is text without columns.
	Ticket = "ticket"
)

// Output holds the flags that say how a command prints. The zero value is ready
// for Register.
type Output struct {
	format Enum
	utc    bool
	tz     Word
}

// Style is how a command shall print.
type Style struct {
	Format   string // Table, Wide, Ticket or JSON
	Color    bool
	Location *time.Location // for tables; JSON is always UTC
	Width    int            // columns of the terminal; 0 means not known, or none
}

// Register adds -o with these formats, the first being the default. Table and
// Text bring each other.
func (o *Output) Register(cmd *cobra.Command, formats ...string) {
	o.format.Value = formats[0]
	for _, f := range formats {
		o.format.Choices = append(o.format.Choices, f)
		switch f {
		case Table:
			o.format.Choices = append(o.format.Choices, Text)
		case Text:
			o.format.Choices = append(o.format.Choices, Table)
		}
	}
	cmd.Flags().VarP(&o.format, "output", "o", "output format")
	o.format.Complete(cmd, "output")
}

// RegisterZone adds the flags for the time zone of tables.
func (o *Output) RegisterZone(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.utc, "utc", false, "show times in UTC")
	cmd.Flags().Var(&o.tz, "tz", "show times in this `zone`, such as Europe/Vienna (default: local)")
	CompleteZone(cmd, "tz")
}

// CompleteZone makes the shell offer some time zones for a flag.
func CompleteZone(cmd *cobra.Command, flag string) {
	complete(cmd, flag, "UTC", "Local", "America/New_York", "Asia/Tokyo", "Europe/Berlin")
}

// Style resolves the flags for the stdout of env. Its errors are usage errors.
func (o *Output) Style(env *Env) (Style, error) {
	columns, terminal := env.Terminal()
	s := Style{Format: o.format.Value, Color: env.color(terminal), Location: time.Local, Width: columns}
	if s.Format == Text {
		s.Format = Table
	}
	switch {
	case o.utc && o.tz != "":
		return Style{}, Usagef("--utc and --tz exclude each other; give one")
	case o.utc:
		s.Location = time.UTC
	case o.tz != "":
		loc, err := time.LoadLocation(string(o.tz))
		if err != nil {
			return Style{}, Usagef("unknown time zone %q; give a name of the IANA list, such as UTC or Europe/Vienna", o.tz)
		}
		s.Location = loc
	}
	return s, nil
}

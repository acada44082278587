// SPDX-License-Identifier: Apache-2.0

package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What [SchemaError] and [TypeError] unwrap to.
var (
	ErrSchema = errors.New("another schema")
	ErrType   = errors.New("unknown event type")
)

// SchemaError says that a JSON object is not of [Schema].
type SchemaError struct {
	Found string // the value of "schema"; "" when there is none
}

func (e *SchemaError) Error() string {
	switch {
	case e.Found == "":
		return `not an oomtrace event: no "schema" field`
	case strings.HasPrefix(e.Found, "oomtrace/"):
		return fmt.Sprintf("schema %.40q: this oomtrace reads %q, use one of the version that wrote it", e.Found, Schema)
	}
	return fmt.Sprintf("not an oomtrace event: schema %.40q", e.Found)
}

// Unwrap returns [ErrSchema].
func (e *SchemaError) Unwrap() error { return ErrSchema }

// TypeError says that this version does not know an event's type.
type TypeError struct {
	Found Type // "" when there is none
}

func (e *TypeError) Error() string { return fmt.Sprintf("unknown event type %.40q", string(e.Found)) }

// Unwrap returns [ErrType].
func (e *TypeError) Unwrap() error { return ErrType }

// Unmarshal decodes one line, its newline there or not. Fields that this version
// does not know are ignored.
//
// It returns a [SchemaError] for a JSON object of another schema. For a type
// that this version does not know it returns the event with its header alone
// and a [TypeError], so that newer events can be passed on. Any other error
// means that the line is not JSON, or has a field of the wrong kind or lacks
// one that the event means nothing without.
func Unmarshal(line []byte) (*Event, error) {
	e, err := decode(line)
	if err != nil {
		return e, err
	}
	missing := ""
	switch {
	case e.Kill != nil && e.Kill.Victim.PID <= 0:
		missing = "victim.pid"
	case e.NoKill != nil && e.NoKill.Reason == "":
		missing = "reason"
	case e.End != nil && (e.End.PID <= 0 || e.End.Outcome == ""):
		missing = "pid or outcome"
	case e.Detail != nil && (e.Detail.Part < 1 || e.Detail.Part > e.Detail.Parts):
		missing = "part of parts"
	case e.Sigkill != nil && e.Sigkill.Victim.PID <= 0:
		missing = "victim.pid"
	case e.Clock != nil && e.Clock.Kind == "":
		missing = "kind"
	}
	if missing != "" {
		return nil, fmt.Errorf("%s: %s is missing or makes no sense", e.Type, missing)
	}
	return e, nil
}

// decode is Unmarshal without a look at the payload's fields.
func decode(line []byte) (*Event, error) {
	// Schema and time are taken raw: whatever they are in a foreign object, the
	// answer is that it is foreign.
	h := struct {
		Schema json.RawMessage `json:"schema"`
		Time   json.RawMessage `json:"time"`
		*Event
	}{Event: &Event{}}
	err := json.Unmarshal(line, &h)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field == "" {
		return nil, fmt.Errorf("a JSON %s, not an event", wrong.Value)
	} else if err != nil && wrong == nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	var found string
	if json.Unmarshal(h.Schema, &found) != nil {
		found = string(h.Schema)
	}
	if found != Schema {
		return nil, &SchemaError{Found: found}
	}
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	e := h.Event
	e.Schema = found
	var at string
	if err := json.Unmarshal(h.Time, &at); err != nil {
		return nil, fmt.Errorf("%s: no time", e.Type)
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Type, err)
	}
	if e.Time = e.Time.UTC(); e.Time.IsZero() || e.Time.Year() < 0 || e.Time.Year() > 9999 {
		return nil, fmt.Errorf("%s: time %.40q is out of range", e.Type, at)
	}
	payload, err := e.payload(true)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(line, payload); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Type, err)
	}
	return e, nil
}

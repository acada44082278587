// SPDX-License-Identifier: Apache-2.0

package timeline

// Confidence is how sure a finding is.
type Confidence string

// Confidences.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// Finding is what entries mean, what to do about it, and the way back. Its commands are
// text for a person: nothing runs them.
type Finding struct {
	// ID is the rule's stable name, such as "limit-too-small".
	ID         string     `json:"id"`
	Title      string     `json:"title"` // one line
	Confidence Confidence `json:"confidence"`
	Summary    string     `json:"summary"` // some sentences: what happened and why that is so
	// About are the entries that it explains, as indices in Document.Entries: the kills
	// that would not have been.
	About []int `json:"about"`
	// Evidence is what it rests on, the strongest first.
	Evidence []Evidence `json:"evidence"`
	// RefutedBy says what, if it were seen, would show that the finding is wrong.
	RefutedBy string `json:"refuted_by"`
	// Question is what has to be asked first, and Decide the command that answers it: of
	// a finding of low confidence, which has no actions.
	Question string   `json:"question,omitempty"`
	Decide   *Command `json:"decide,omitempty"`
	// Actions are what to do, in order.
	Actions []Action `json:"actions,omitempty"`
	// Rollback undoes actions, in the order in which to do it.
	Rollback []Rollback `json:"rollback,omitempty"`
}

// Evidence is a fact that entries tell.
type Evidence struct {
	// Entries tell it, as indices in Document.Entries; none if the machine tells it.
	Entries []int  `json:"entries,omitempty"`
	Text    string `json:"text"`
}

// Action is one step of a plan.
type Action struct {
	Text string `json:"text"` // what to do, one sentence
	Why  string `json:"why,omitempty"`
	// Owner is whose it is to do: of the limit, the unit, the pod spec.
	Owner    string    `json:"owner,omitempty"`
	Commands []Command `json:"commands,omitempty"`
}

// Class is what a command does to the machine.
type Class string

// Classes, the harmless first. Disruptive and irreversible commands are shown as
// comments, so that nobody runs them by pasting.
const (
	ReadOnly     Class = "read-only"
	Reversible   Class = "reversible"
	Disruptive   Class = "disruptive" // as a restart is
	Irreversible Class = "irreversible"
)

// Command is a line for a shell. What is in it of names has been quoted.
type Command struct {
	Run   string `json:"run"`
	Class Class  `json:"class"`
	Note  string `json:"note,omitempty"`
}

// Rollback undoes an action.
type Rollback struct {
	// Undoes is the action, as an index in Finding.Actions.
	Undoes int    `json:"undoes"`
	Text   string `json:"text"`
	// Guard is what must hold before it is done, such as "only while memory.current is
	// below the old limit".
	Guard    string    `json:"guard,omitempty"`
	Commands []Command `json:"commands,omitempty"`
}

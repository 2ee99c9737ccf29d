package explain

import (
	"encoding/json"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Explanation says what becomes of one series, stage by stage in the order in
// which the engine goes through them.
type Explanation struct {
	Series  string   `json:"series"`            // as reported, in PromQL notation
	Kind    string   `json:"kind"`              // counter, gauge, meter or histogram
	Origin  string   `json:"origin"`            // native, custom, or another word of the policies
	Meaning string   `json:"meaning,omitempty"` // what the catalogue knows of it
	Notes   []string `json:"notes,omitempty"`   // what was taken for granted

	Streams    []StreamStage  `json:"streams"`
	Task       TaskStage      `json:"task"`
	Control    []ControlStage `json:"control,omitempty"` // every rule that was looked at; the last one decided, if one did
	Decision   Decision       `json:"decision"`
	Degrade    []ControlStage `json:"degrade,omitempty"`    // every rule of the ladder that was looked at; the last one gives the series up under overload, if one does
	Rewrites   []RewriteStage `json:"rewrites,omitempty"`   // every rewrite that was looked at
	Aggregates []RewriteStage `json:"aggregates,omitempty"` // every aggregate that was looked at; the last one takes the series, if one does
	Budgets    []BudgetStage  `json:"budgets,omitempty"`    // every budget: those without a mismatch count the series
	Result     []string       `json:"result,omitempty"`     // the series that a store gets of it
	Scale      float64        `json:"scale,omitempty"`      // what values are multiplied by; none: 1
	Sinks      []SinkStage    `json:"sinks,omitempty"`
}

// StreamStage says what a stream does about samples that come twice.
type StreamStage struct {
	Stream     string   `json:"stream"`     // its name
	Topics     []string `json:"topics"`     // that it reads
	Level      string   `json:"level"`      // of quality
	Duplicates string   `json:"duplicates"` // in a sentence
	Pos        diag.Pos `json:"pos"`
}

// TaskStage is what is known of the task.
type TaskStage struct {
	ID       string    `json:"id"`            // torrent_task_id
	Job      string    `json:"job,omitempty"` // its name
	Tags     []TagView `json:"tags,omitempty"`
	Disabled *RuleView `json:"disabled,omitempty"` // the entry that switches it off
}

// TagView is a tag and the entry that gives it.
type TagView struct {
	Name  string   `json:"name"`  // of the tag
	Value string   `json:"value"` // of the tag
	Rule  string   `json:"rule"`  // entry of the section task, team/name
	Pos   diag.Pos `json:"pos"`
}

// ControlStage is a control rule that was looked at.
type ControlStage struct {
	RuleView
	Mismatch string `json:"mismatch,omitempty"` // why it does not match; "" for the rule that decides
}

// Decision is what control makes of the series.
type Decision struct {
	Disposition string `json:"disposition"`      // out, possibly subject to Step; or how every sample ends
	Rule        string `json:"rule,omitempty"`   // that decided, team/name
	Text        string `json:"text"`             // all of it in a sentence
	Step        string `json:"step,omitempty"`   // what is decided for each sample: sample, thin, limit
	Sample      string `json:"sample,omitempty"` // what becomes of the sample of a record
}

// RewriteStage is a rewrite, or a transform among them, that was looked at.
type RewriteStage struct {
	RuleView
	Mismatch string   `json:"mismatch,omitempty"` // why it does not match; "" for one that does
	Before   string   `json:"before,omitempty"`   // the series on either side, of a rewrite that matches
	After    string   `json:"after,omitempty"`    // the series then
	Removed  []string `json:"removed,omitempty"`  // labels, and the name, as they were
	Added    []string `json:"added,omitempty"`    // as they are then
	Scale    float64  `json:"scale,omitempty"`    // what values are multiplied by from then on, where it changes that

	Plugin *PluginView `json:"plugin,omitempty"` // of a transform in force
	Shadow float64     `json:"shadow,omitempty"` // share of batches that the plugin is only tried on; samples go on as they are

	// Tried is what an instance has found out by that, over all transforms with the plugin.
	Tried  *TriedPlugin `json:"tried,omitempty"`
	Failed string       `json:"failed,omitempty"` // why its plugin did not transform the series
}

// PluginView says which plugin a transform has.
type PluginView struct {
	Name    string `json:"name"`    // as its manifest has it
	Version string `json:"version"` // as its manifest has it
	Digest  string `json:"digest"`  // sha256: and 64 hexadecimal digits
}

// SinkStage is a sink that gets the series.
type SinkStage struct {
	Sink string   `json:"sink"` // its name
	Type string   `json:"type"` // store, scrape or remote-write
	Why  string   `json:"why"`  // which rule, or which default, sends it there
	Pos  diag.Pos `json:"pos"`
}

// TriedPlugin is what a plugin would have done with samples that it was only tried
// on, by transforms with a shadow.
type TriedPlugin struct {
	Samples uint64 `json:"samples"` // that it was given; those that are not counted below stay as they are
	Changed uint64 `json:"changed"` // with another name, other labels or another value
	Dropped uint64 `json:"dropped"` // that would not go on
	Failed  uint64 `json:"failed"`  // that it did not transform
	Made    uint64 `json:"made"`    // beside them
}

// BudgetStage is a budget that was looked at.
type BudgetStage struct {
	RuleView
	Mismatch string    `json:"mismatch,omitempty"` // "" for one that counts the series
	Key      string    `json:"key,omitempty"`      // of which task, metric or team it does
	Beyond   string    `json:"beyond,omitempty"`   // the series that takes the samples without room; "": they are dropped
	Room     *RoomView `json:"room,omitempty"`     // on the running instance
}

// RoomView is how much of a budget an instance has used up.
type RoomView struct {
	Series  int    `json:"series"`          // of the key, let in; -1: not known, as others have less room
	Limit   int    `json:"limit,omitempty"` // of the key, in this instance; 0: none
	Refused uint64 `json:"refused"`         // times that the budget refused a series, of any key
}

// RuleView is a rule, as explain shows it.
type RuleView struct {
	ID          string            `json:"id"`                    // team/name
	Section     string            `json:"section"`               // of the policy
	Action      string            `json:"action"`                // keep, drop, sample, and so on
	Tier        string            `json:"tier,omitempty"`        // of a control rule
	Order       *int              `json:"order,omitempty"`       // of rules of its tier
	Description string            `json:"description,omitempty"` // in the words of its author
	Pos         diag.Pos          `json:"pos"`
	Fields      []FieldView       `json:"fields,omitempty"`  // of a rule that acts
	Samples     map[string]uint64 `json:"samples,omitempty"` // by disposition, what it did on the running instance since it started
}

// FieldView is a field of a rule and where it is set.
type FieldView struct {
	Name  string          `json:"name"`  // as the language has it: match.metrics
	Value json.RawMessage `json:"value"` // as JSON
	Pos   diag.Pos        `json:"pos"`   // zero: nobody set it, the schema has a default
}

package program

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

// Collect is the control document: what a reporter may leave out, send elsewhere
// or send without a label, because the program would do the same. It says nothing
// that could change an outcome, and obeying it twice is obeying it once.
type Collect struct {
	Version  int    `json:"v"`
	CV       uint64 `json:"cv,omitempty"`       // control version: 48 bits, the same for the same content
	Revision string `json:"revision,omitempty"` // of the policy set, for people

	// Tasks are the entries of the task section by precedence. The document of one
	// task has none, or one that switches it off.
	Tasks []CollectTask `json:"tasks,omitempty"`

	Rules  []CollectRule   `json:"rules"`  // in order: the first that matches decides; none: the series is sent
	Labels []CollectLabels `json:"labels"` // all that match count
}

// CollectTask is an entry of the task section.
type CollectTask struct {
	Match   []string          `json:"match"` // torrent_task_id or job name
	Tags    map[string]string `json:"tags,omitempty"`
	Team    string            `json:"team,omitempty"` // the entry counts only for tasks of this team
	Enabled bool              `json:"enabled"`
}

// CollectRule is a control rule as far as a reporter can act on it. Conditions
// that always hold are left out, so an empty Match takes every series.
type CollectRule struct {
	ID     RuleID        `json:"id"`
	Do     string        `json:"do"`                     // a word of the constants below
	Share  uint64        `json:"share,omitempty,string"` // sample: what a hash must be below; a string, since JSON numbers lose digits
	By     string        `json:"by,omitempty"`           // sample: series or record
	Every  int64         `json:"every_ms,omitempty"`     // thin: interval, aligned to the epoch
	Pick   string        `json:"pick,omitempty"`         // thin: last or first
	Topic  string        `json:"topic,omitempty"`        // topic: where to send the record
	Match  policy.Match  `json:"match"`
	Unless *policy.Match `json:"unless,omitempty"`
	Team   string        `json:"team,omitempty"` // the rule sees tasks with this tag team only
}

// What a reporter does with a series. A word it does not know is send to it.
const (
	CollectDrop   = "drop"   // skip it
	CollectKeep   = "keep"   // send it
	CollectSample = "sample" // skip what the hash does not choose
	CollectThin   = "thin"   // skip what the interval does not need
	CollectTopic  = "topic"  // send it to another topic
	CollectSend   = "send"   // send it with all its labels: the program has more to do
)

// CollectLabels are labels that a reporter leaves out of series that match, unless
// the rule that decided about the series says thin or send: the program then keeps
// state by all labels.
type CollectLabels struct {
	ID     RuleID        `json:"id"`
	Drop   []string      `json:"drop"` // patterns of names
	Match  policy.Match  `json:"match"`
	Unless *policy.Match `json:"unless,omitempty"`
	Team   string        `json:"team,omitempty"`
}

// collectVersion is the version of the document's format.
const collectVersion = 1

// Encode writes the document as JSON, each field in its place and maps by key, so
// that equal documents are equal bytes. CV is computed: it is the first 48 bits
// of the SHA-256 of the JSON without cv and revision.
func (d *Collect) Encode(revision string) []byte {
	d.CV, d.Revision = 0, ""
	sum := sha256.Sum256(d.marshal())
	for _, b := range sum[:6] {
		d.CV = d.CV<<8 | uint64(b)
	}
	d.Revision = revision
	return d.marshal()
}

func (d *Collect) marshal() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		panic(fmt.Sprintf("strings and numbers make JSON: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// CollectAll returns the document of the whole set, which a reporter evaluates
// for its own tasks.
func (p *Program) CollectAll() *Collect {
	c := newCollector(p, nil)
	for i := range p.tasks.entries {
		e := &p.tasks.entries[i]
		t := CollectTask{Match: e.match.texts(), Team: e.team, Enabled: !e.disabled}
		if t.Match == nil {
			t.Match = []string{"*"}
		}
		for _, tag := range e.tags {
			if t.Tags == nil {
				t.Tags = map[string]string{}
			}
			t.Tags[tag.Name] = tag.Value
		}
		c.doc.Tasks = append(c.doc.Tasks, t)
	}
	return c.document()
}

// CollectTask returns the document of one task: tasks, tags and teams are
// resolved, and rules that cannot match are left out. It is for the records of the
// task that carry the job name, or none, as those of a process do: where the
// two differ, a condition on the label job_name tells them apart.
func (p *Program) CollectTask(task, job string) *Collect {
	sides := []side{{task: task, info: p.tasks.info(task, "")}}
	if job != "" {
		sides = append(sides, side{task, job, p.tasks.info(task, job)})
	}
	c := newCollector(p, sides)
	off := c.disabled()
	if off.every() {
		c.doc.Tasks = []CollectTask{{Match: []string{"*"}, Enabled: false}}
		return &c.doc
	}
	if off.any() {
		rule := CollectRule{ID: p.rules[c.disabledBy()].ID, Do: CollectDrop}
		c.only(&rule.Match, off)
		c.doc.Rules = append(c.doc.Rules, rule)
	}
	return c.document()
}

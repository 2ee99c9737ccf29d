// Package explain says what becomes of a series, of the points of a record and of a
// rule by one policy set, and why a series is missing: stage by stage, in words and
// with the places where it is written. The interpreter that decides is the one that
// is asked. It does not know where the set came from, which of two sets decides about
// a task, nor how a running instance knows what it has done: it is told.
package explain

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// Question is what explain is asked. Exactly one of Series, Record, Rule and
// WhyNot is set.
type Question struct {
	Series string // as it was reported, in PromQL notation: name{label="value"}
	Record []byte // one JSON record of the wire contract, grouped or flat, or a line of a dump of a topic
	Rule   string // team/rule, or the rule alone where no other has its name
	WhyNot string // a series that is missing, as it would leave, in PromQL notation

	// Kind and Origin are of Series: words as policies have them. "" is what the
	// catalogue knows; gauge and custom where it does not know the name.
	Kind, Origin string

	// Traffic holds recorded records, one JSON object a line, plain or compressed,
	// for Rule and WhyNot. Nil: none.
	Traffic io.Reader
}

// Answer is what there is to say: Rule or WhyNot when they were asked about, else Series.
type Answer struct {
	Series []Explanation    `json:"series,omitempty"` // one for Series, one for each of the first points of Record
	More   int              `json:"more,omitempty"`   // points of Record beyond those
	Rule   *RuleExplanation `json:"rule,omitempty"`
	WhyNot *Absence         `json:"why_not,omitempty"`
}

// QuestionError says what is wrong with a question. It wraps diag.ErrRejected.
type QuestionError struct {
	Field   string // of Question, in small letters: series, record, rule, why-not, kind, origin
	Offset  int    // byte of the field's text, -1 when it is about all of it
	Message string
	Hint    string // "" for none
}

func (e *QuestionError) Error() string {
	text := e.Field + ": "
	if e.Offset >= 0 {
		text += fmt.Sprintf("byte %d: ", e.Offset)
	}
	if text += e.Message; e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *QuestionError) Unwrap() error { return diag.ErrRejected }

// Set is a policy set, compiled, with what is needed to speak of it.
type Set struct {
	Policies   *policy.Set
	Provenance policy.Provenance // where what is in it is written
	Program    *program.Program  // of Policies
	Known      *catalogue.Catalogue
	Dir        string // put before file names
}

// Instance is what a running instance knows beside its policies. Without one all is
// zero, and answers do without.
type Instance struct {
	Samples map[string]map[string]uint64            // how many, by the label of the rule and what it did to them
	ShortID func(id string) (value string, ok bool) // what a short identifier stands for
	Tried   func(digest string) *TriedPlugin        // what a plugin that is only tried did; nil: nothing yet
	Room    func(budget, key string) *RoomView      // what is used up of a budget; nil: nobody knows
}

// Explainer answers questions by one policy set. It is for one goroutine.
type Explainer struct {
	set     *policy.Set
	from    policy.Provenance
	program *program.Program
	known   *catalogue.Catalogue
	dir     string
	here    Instance

	rules []program.Rule
}

// New returns who answers by a set. here is zero when no instance runs it.
func New(s Set, here Instance) *Explainer {
	return &Explainer{set: s.Policies, from: s.Provenance, program: s.Program, known: s.Known, dir: s.Dir, here: here, rules: s.Program.Rules()}
}

// Answer answers a question. The error is a *QuestionError, or about reading the traffic.
func (x *Explainer) Answer(q *Question) (Answer, error) {
	asked := 0
	for _, given := range []bool{q.Series != "", q.Record != nil, q.Rule != "", q.WhyNot != ""} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return Answer{}, &QuestionError{Field: "question", Offset: -1, Message: "ask about one of a series, a record, a rule, and a series that is missing"}
	}
	var seen *traffic.Recording
	var err error
	if q.Traffic != nil {
		if seen, err = traffic.ReadAll(q.Traffic, x.known.Origin); err != nil {
			return Answer{}, err
		}
	}
	var a Answer
	switch {
	case q.Series != "":
		in, notes, err := x.input(q)
		if err != nil {
			return Answer{}, err
		}
		e := x.explain(in, nil)
		e.Notes = append(notes, e.Notes...)
		a.Series = []Explanation{e}
	case q.Record != nil:
		a.Series, a.More, err = x.record(bytes.TrimSpace(q.Record))
	case q.Rule != "":
		a.Rule, err = x.rule(q.Rule, seen)
	default:
		a.WhyNot, err = x.whyNot(q.WhyNot, seen)
	}
	return a, err
}

// at is where a position of the set is for who reads the answer.
func (x *Explainer) at(p diag.Pos) diag.Pos {
	if p.File != "" {
		p.File = path.Join(filepath.ToSlash(x.dir), p.File)
	}
	return p
}

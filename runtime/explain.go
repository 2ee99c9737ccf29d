package runtime

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/sluice-metrics/sluice/policies"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/catalogue"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
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

// Answer is what explain says: the JSON of /api/v1/explain.
type Answer struct {
	Policies string  `json:"policies"`         // where the set came from
	Revision string  `json:"revision"`         // digest of the set
	Commit   *Commit `json:"commit,omitempty"` // of the set's directory, when it is a checkout
	Canary   string  `json:"canary,omitempty"` // while a canary runs: which of the two sets decides, and why

	Series []Explanation    `json:"series,omitempty"` // one for Series, one for each of the first points of Record
	More   int              `json:"more,omitempty"`   // points of Record beyond those
	Rule   *RuleExplanation `json:"rule,omitempty"`
	WhyNot *Absence         `json:"why_not,omitempty"`
}

// Commit is the git commit that a directory was checked out at.
type Commit = source.Commit

// QuestionError says what is wrong with a question. It wraps ErrRejected.
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

func (e *QuestionError) Unwrap() error { return ErrRejected }

// Explain answers a question by the policy set in dir, or by the default set when
// dir is "". A report that refuses the set comes without an answer; tests of the
// set that fail do not refuse it here. The error is a *QuestionError, or about
// reading the directory or the traffic.
func Explain(ctx context.Context, dir string, how Loading, q Question) (Answer, Report, error) {
	l, err := loadDir(ctx, dir, how)
	if err != nil {
		return Answer{}, Report{}, err
	}
	if l.program == nil {
		return Answer{}, l.report, nil
	}
	x := explainer{set: &l.bundle.Set, from: l.bundle.Provenance, program: l.program, known: l.known, dir: cmp.Or(dir, defaultSet)}
	a, err := x.answer(&q)
	a.Policies, a.Revision = x.dir, l.bundle.Digest
	if dir != "" {
		a.Commit = source.CommitOf(dir)
	}
	return a, l.report, err
}

// loadDir loads the set in dir, the default one when dir is "".
func loadDir(ctx context.Context, dir string, how Loading) (loadedSet, error) {
	if dir == "" {
		return loadSet(ctx, policies.FS, Loading{Env: how.Env}, defaultSet)
	}
	from, err := DirSource(dir)
	if err != nil {
		return loadedSet{}, err
	}
	return loadSet(ctx, from.Files, how, from.Prefix)
}

// Explain answers a question by the program in force, with what its rules have
// done since the instance started; about a task that a canary governs, by that. The
// error is a *QuestionError.
func (r *Runtime) Explain(q Question) (Answer, error) {
	c := r.rollouts.canary.Load()
	a, err := r.explainBy(r.rev.Load(), &q)
	if c == nil {
		return a, err
	}
	note := fmt.Sprintf("the canary %.12s governs %s", c.rev.digest, c.text())
	switch {
	case err != nil && q.Rule != "":
		if b, err := r.explainBy(c.rev, &q); err == nil {
			b.Canary = note + ", and only it has this rule"
			return b, nil
		}
	case err != nil || len(a.Series) == 0:
	case len(c.partitions) > 0:
		a.Canary = note + "; elsewhere, as here, the set in force decides"
	case !c.governs(a.Series[0].Task.ID):
		a.Canary = fmt.Sprintf("%s, and %q is not among them: the set in force decides", note, a.Series[0].Task.ID)
	default:
		a, err = r.explainBy(c.rev, &q)
		a.Canary = fmt.Sprintf("%s, and %q is among them: the canary decides", note, a.Series[0].Task.ID)
	}
	return a, err
}

// explainBy answers a question by a revision.
func (r *Runtime) explainBy(rev *revision, q *Question) (Answer, error) {
	x := explainer{
		set: &rev.bundle.Set, from: rev.bundle.Provenance, program: rev.program, known: r.opened().known,
		dir: rev.origin.files(), counts: r.ruleCounts(), shortID: r.ShortID, used: r.budgetStatus(), tried: r.triedHere,
	}
	a, err := x.answer(q)
	a.Policies, a.Revision = cmp.Or(r.cfg.Policies, defaultSet), rev.digest
	if o := rev.origin; o.Commit != "" {
		a.Commit = &Commit{Hash: o.Commit, Branch: o.Ref}
	}
	return a, err
}

// ruleCounts is what each rule did to samples, by its label and the disposition.
func (r *Runtime) ruleCounts() map[string]map[string]uint64 {
	counts := map[string]map[string]uint64{}
	for rule, n := range r.ruleSamples() {
		if counts[rule.ID] == nil {
			counts[rule.ID] = map[string]uint64{}
		}
		counts[rule.ID][rule.Disposition.String()] = n
	}
	return counts
}

// explainer answers questions by one policy set.
type explainer struct {
	set     *policy.Set
	from    policy.Provenance
	program *program.Program
	known   *catalogue.Catalogue
	dir     string // put before file names
	rules   []program.Rule
	entries map[string]map[string]map[string]json.RawMessage // as written, by team, section and name; made when asked for

	counts  map[string]map[string]uint64         // samples by rule and disposition; nil: not of a running instance
	shortID func(string) (value string, ok bool) // nil: nobody knows
	tried   func(digest string) *TriedPlugin     // of a running instance; nil: nobody knows
	used    []BudgetStatus                       // of a running instance
}

func (x *explainer) answer(q *Question) (Answer, error) {
	x.rules = x.program.Rules()
	asked := 0
	for _, given := range []bool{q.Series != "", q.Record != nil, q.Rule != "", q.WhyNot != ""} {
		if given {
			asked++
		}
	}
	if asked != 1 {
		return Answer{}, &QuestionError{Field: "question", Offset: -1, Message: "ask about one of a series, a record, a rule, and a series that is missing"}
	}
	seen, err := readRecording(q.Traffic, x.known)
	if err != nil {
		return Answer{}, err
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
func (x *explainer) at(p diag.Pos) diag.Pos {
	if p.File != "" {
		p.File = path.Join(filepath.ToSlash(x.dir), p.File)
	}
	return p
}

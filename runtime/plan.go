package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/program"
	"github.com/sluice-metrics/sluice/runtime/internal/traffic"
)

// PlanFormat is the version of the JSON form of a Plan.
const PlanFormat = 1

// What a plan is made of; see package program for what each says.
type (
	// Impact is what the new set does to the traffic.
	Impact = program.Impact
	// RuleChange is a rule that is not the same in both sets.
	RuleChange = program.RuleChange
	// FieldChange is a field of such a rule.
	FieldChange = program.FieldChange
	// RuleAt names a rule and where it is written.
	RuleAt = program.RuleAt
	// Volume is an amount of traffic.
	Volume = program.Volume
	// TransformChange is what becomes of traffic in a transform, and what that costs.
	TransformChange = program.TransformChange
	// TransformUse is one side of it.
	TransformUse = program.TransformUse
)

// PlanOptions say what is compared, and over which traffic.
type PlanOptions struct {
	Base, New PolicySource
	Loading   Loading

	// Traffic is a file of traffic as Record writes it, or plain records, plain or
	// compressed by gzip or zstd.
	Traffic     io.Reader
	TrafficName string

	// Notes are what is known besides that makes the results less sure.
	Notes []string

	// Gates: shares, 0.05 for 5 %. Nil: no gate.
	MaxDropped   *float64 // of the samples that go on in the base
	MaxNewSeries *float64 // of the series that go on in the base
}

// Plan is what becomes of traffic when one policy set takes the place of another.
type Plan struct {
	Format  int            `json:"sluice_plan"` // version of this form
	Digest  string         `json:"digest"`      // SHA-256 of both revisions, the traffic and the results
	Base    PlannedSet     `json:"base"`
	New     PlannedSet     `json:"new"`
	Traffic PlannedTraffic `json:"traffic"`
	Rules   []RuleChange   `json:"rules"`
	Impact  *Impact        `json:"impact"`
	Gates   []Gate         `json:"gates"`
	Notes   []string       `json:"notes"` // what makes the results less sure

	// Transforms of both sets. They are no part of the digest: time is another each time.
	Transforms []TransformChange `json:"transforms,omitempty"`
}

// PlannedSet is one of the two policy sets.
type PlannedSet struct {
	Name     string            `json:"name"`           // where it comes from
	Revision string            `json:"revision"`       // digest of the set
	Tags     []string          `json:"tags,omitempty"` // with which it was evaluated
	Rules    int               `json:"rules"`          // in the set
	Findings []diag.Diagnostic `json:"findings,omitempty"`

	report Report
}

// Report is the outcome of checking the set.
func (s *PlannedSet) Report() Report { return s.report }

// PlannedTraffic is what the sets were compared over.
type PlannedTraffic struct {
	Name    string    `json:"name"`              // where it comes from
	Digest  string    `json:"digest"`            // SHA-256 of its lines
	From    time.Time `json:"from"`              // its beginning
	To      time.Time `json:"to"`                // its end
	Seconds float64   `json:"seconds"`           // in between; 0: it tells of no time, and counts are totals
	LeftOut uint64    `json:"leftOut,omitempty"` // samples of series that found no room in it
}

// Gate is a bound that a plan must keep to pass.
type Gate struct {
	Name   string  `json:"name"`   // max-dropped, max-new-series
	Most   float64 `json:"most"`   // share
	Is     float64 `json:"is"`     // share that the plan has
	Passed bool    `json:"passed"` // the bound is kept
}

// Refused reports whether one of the sets cannot run; nothing was compared then.
func (p *Plan) Refused() bool { return p.Base.report.Refused() || p.New.report.Refused() }

// Passed reports whether every gate does.
func (p *Plan) Passed() bool {
	for _, g := range p.Gates {
		if !g.Passed {
			return false
		}
	}
	return true
}

// Changes reports whether the sets differ in what they deploy, or in what they do
// to the traffic.
func (p *Plan) Changes() bool {
	i := p.Impact
	return len(p.Rules) > 0 || i != nil && len(i.Moves)+len(i.Relabels)+len(i.Reroutes) > 0
}

// NewPlan compares two policy sets over traffic. A set that is refused gives a plan
// without impact whose reports say why. Errors: ErrRejected for traffic that cannot
// be read, ErrConfig for a set that is not there.
//
// Traffic that was recorded is read as it is compared: memory is some tens of bytes
// per series. Plain records are first made into series, of which there may be some
// two million.
func NewPlan(ctx context.Context, opts PlanOptions) (*Plan, error) {
	p := &Plan{Format: PlanFormat, Rules: []RuleChange{}, Gates: []Gate{}, Notes: append([]string{}, opts.Notes...)}
	today := time.Now()
	base, err := p.Base.load(ctx, opts.Base, opts.Loading, today)
	if err != nil {
		return nil, err
	}
	next, err := p.New.load(ctx, opts.New, opts.Loading, today)
	if err != nil || p.Refused() {
		return p, err
	}
	if p.Rules, err = program.DiffRules(base.Written, next.Written); err != nil {
		return nil, err
	}
	if err := p.compare(ctx, opts, base, next); err != nil {
		return nil, err
	}
	p.note(base, next)
	p.gate("max-dropped", opts.MaxDropped, p.Impact.Lost, p.Impact.Before.Samples)
	p.gate("max-new-series", opts.MaxNewSeries, float64(p.Impact.NewSeries), float64(p.Impact.Before.Series))
	err = p.sign()
	return p, err
}

// compare runs the traffic through both programs.
func (p *Plan) compare(ctx context.Context, opts PlanOptions, base, next *plannable) error {
	plain, err := traffic.Unpack(opts.Traffic)
	if err != nil {
		return fmt.Errorf("traffic %s: %w", opts.TrafficName, err)
	}
	defer plain.Close()
	in, err := traffic.Open(plain, next.known.Origin)
	if err != nil {
		return traffic.Wrong(opts.TrafficName, err)
	}
	head, n := in.Header(), 0
	d := program.NewDiffer(base.program, next.program, head.Span(), p.Rules)
	err = in.Each(func(s *traffic.Series) error {
		d.Add(&s.Load)
		if n++; n%1024 == 0 {
			return ctx.Err()
		}
		return nil
	})
	if err != nil {
		return traffic.Wrong(opts.TrafficName, err)
	}
	p.Impact, p.Transforms = d.Impact(), d.Transforms()
	p.Traffic = PlannedTraffic{
		Name: opts.TrafficName, Digest: in.Digest(), From: head.From, To: head.To, Seconds: head.Span(), LeftOut: in.LeftOut(),
	}
	p.notes(head.Hashed, in.Unreadable(), in.LeftOut())
	return nil
}

// notes says what the traffic lacks.
func (p *Plan) notes(hashed []string, unreadable, leftOut uint64) {
	for _, label := range hashed {
		p.Notes = append(p.Notes, fmt.Sprintf("the values of label %s are hashed in this traffic: rules that look at it may decide otherwise on real values", label))
	}
	if unreadable > 0 {
		p.Notes = append(p.Notes, diag.Number(int(unreadable), "record")+" cannot be read: left out, as an instance would")
	}
	if leftOut > 0 {
		p.Notes = append(p.Notes, diag.Number(int(leftOut), "sample")+" of series that found no room are not in this traffic")
	}
	for i := range p.Transforms {
		t := &p.Transforms[i]
		if n := notAsked(t.Before) + notAsked(t.After); n > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("the plugin of transform %s fails for so much of this traffic that %s were not given to it: its calls that failed took %v by then", t.Rule, diag.Number(n, "record"), program.Patience))
		}
		if t.After != nil && t.After.Scope == "sample" && t.After.Calls > 0 {
			p.Notes = append(p.Notes, fmt.Sprintf("transform %s looks at samples: what it does is told by one of value 1 per series, each a batch of its own; batches of many cost less per record", t.Rule))
		}
	}
	if p.Traffic.Seconds == 0 {
		p.Notes = append(p.Notes, "this traffic is of one moment: samples and bytes are totals, not per second")
	}
}

func notAsked(u *TransformUse) int {
	if u == nil {
		return 0
	}
	return u.Failed[program.NotAsked]
}

// note says how the sets themselves make the comparison less sure.
func (p *Plan) note(base, next *plannable) {
	a, b := fmt.Sprint(base.tags), fmt.Sprint(next.tags)
	if a != b {
		p.Notes = append(p.Notes, fmt.Sprintf("the base was evaluated with tags %s, the new set with %s: --env makes them equal", a, b))
	}
}

func (p *Plan) gate(name string, most *float64, part, whole float64) {
	if most == nil {
		return
	}
	g := Gate{Name: name, Most: *most}
	switch {
	case whole > 0:
		g.Is = part / whole
	case part > 0:
		g.Is = 1
	}
	g.Passed = g.Is <= g.Most
	p.Gates = append(p.Gates, g)
}

// sign sets the digest. Of the results it takes what happens and not where it is
// written: the same plan has one digest, in whichever directory it was made.
func (p *Plan) sign() error {
	text, err := json.Marshal(struct {
		Rules  []RuleChange
		Impact *Impact
	}{p.Rules, p.Impact})
	var results any
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err == nil {
		text, err = json.Marshal([]any{p.Base.Revision, p.New.Revision, p.Traffic.Digest, withoutPlaces(results)})
	}
	if err != nil {
		return fmt.Errorf("digest of the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	p.Digest = hex.EncodeToString(sum[:])
	return nil
}

// withoutPlaces removes the places in files from decoded JSON.
func withoutPlaces(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "pos")
		for _, inner := range v {
			withoutPlaces(inner)
		}
	case []any:
		for _, inner := range v {
			withoutPlaces(inner)
		}
	}
	return v
}

// Bundle returns the policy set in force as JSON: what PolicySource.Bundle takes.
// It holds references to secrets, never a secret.
func (r *Runtime) Bundle() ([]byte, error) { return json.Marshal(r.rev.Load().bundle) }

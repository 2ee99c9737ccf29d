package program

import (
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/ledger"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// Input is a series as it was reported, before any rewrite.
type Input struct {
	Task   string // torrent_task_id
	Name   string // series name: metric.SeriesName(scope, metric)
	Kind   metric.Kind
	Origin metric.Origin
	Labels metric.Labels // all of them, with torrent_task_id, subtask_index and task_attempt_num where the point has them
}

// Verdict is what the program decided for a series. It is a value of the series
// alone: the same series gets the same verdict until the program changes. It
// keeps nothing of the Input but its strings.
type Verdict struct {
	// Disposition is Out for a series that goes on, possibly subject to Step; any
	// other one ends every sample of the series.
	Disposition ledger.Disposition

	// Rule is the index in Program.Rules of the rule that decided, or NoRule.
	Rule int32

	// What the series becomes; unset when it does not go on.
	Name   string
	Labels metric.Labels
	Scale  float64  // factor for values, 1 for none
	To     []string // sinks a route names; nil: the default ones
	Topic  string   // processed topic of the stream a route names; "": that of the input's stream

	// Shed is the place of the rule that gives the series up under overload, from 1
	// in the order in which rules do that: see Program.Shedding. 0: it never is.
	Shed uint16

	// Step is what is left to decide per sample.
	Step Step

	// Transform is what the samples that Step lets through go to, as Name, Labels and
	// Scale have them; what comes out is decided about by Program.After. nil: none.
	Transform *Transform

	// Failure is the transform that failed for the series; nil: none did. With
	// Disposition Out the series goes on without it; else it was ended by it.
	Failure *TransformFailure

	// Merge is the aggregate that takes the samples which Step lets through; nil:
	// none. Charges are the budgets that the series counts in, if it goes out itself.
	Merge   *Merge
	Charges []Charge

	// Short lists the identifiers that short-id rewrites put into Labels, for the
	// dictionary that leads back to the values.
	Short []ShortID
}

// NoRule is the Rule of a verdict that no rule decided.
const NoRule = int32(-1)

// ShortID is an entry of the dictionary of short identifiers.
type ShortID struct {
	ID    string // what the label holds
	Value string // what it held
}

// Step is the part of a rule that needs each sample.
type Step struct {
	Kind  StepKind
	Every time.Duration // Thin: interval, aligned to the Unix epoch of report_timestamp; at least 1 ms
	Pick  Pick          // Thin
	Share uint64        // Sample: a sample passes when its hash is below this
	Seed  uint64        // Sample: hash of the series as reported, the same for every incarnation of its task
	Rate  float64       // Limit: samples per second, above 0
	Per   Per           // Limit
}

// StepKind says which per-sample step a verdict asks for.
type StepKind uint8

// The steps.
const (
	NoStep     StepKind = iota
	SampleStep          // ask Step.Passes
	ThinStep            // keep a Window per series
	LimitStep           // keep a Bucket per series, task or rule
)

// Disposition is what a sample ends as that the step does not let through.
func (k StepKind) Disposition() ledger.Disposition {
	return [...]ledger.Disposition{ledger.Out, ledger.Sampled, ledger.Thinned, ledger.Limited}[k]
}

// Pick says which sample of an interval a thin rule lets through.
type Pick uint8

// The picks. Max and Min compare the point's main value.
const (
	Last Pick = iota
	First
	Max
	Min
)

// Per says what a limit rule counts together.
type Per uint8

// The scopes of a limit. Each partition enforces its share of a rate that spans partitions.
const (
	PerSeries Per = iota
	PerTask
	PerRule
)

// RuleID names a rule for people, metrics and the API: team/name.
type RuleID string

// Rule describes a rule of the program.
type Rule struct {
	ID          RuleID
	Label       RuleID // what counts and samples name it by: its ID, behind its section and a colon where another section has that ID, too
	Section     string // SectionControl, SectionDegrade, SectionRewrite, SectionTransform, SectionAggregate, SectionBudget or SectionTask
	Action      string // as written; "aggregate" and "budget" for those sections, "disable" or "tag" for an entry of the task section
	Priority    string // of a degrade rule: P3, P2 or P1, the step at which it gives series up
	Description string
	Pos         diag.Pos // where its author wrote it, if known
	Inert       string   // why the rule never matches: it is disabled or has expired; "" for a rule in force
}

// The sections that rules come from. A name is unique within team and section.
const (
	SectionControl   = "control"
	SectionDegrade   = "degrade"
	SectionRewrite   = "rewrite"
	SectionTransform = "transform"
	SectionAggregate = "aggregate"
	SectionBudget    = "budget"
	SectionTask      = "task"
)

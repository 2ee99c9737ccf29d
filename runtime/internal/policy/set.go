package policy

import (
	"maps"
	"slices"
)

// Set is a policy set as plain values: what the authors wrote, validated by the
// schema, defaults filled in, nothing of CUE left. Package program compiles it.
// Field names equal those of the schema; a test compares the two.
type Set struct {
	Teams []Team `json:"teams"`
}

// PlatformTeam is the team whose rules see all tasks, in a set of several teams; those
// of another see the tasks of that team.
const PlatformTeam = "platform"

// Team is what one package of policies declares. Maps are keyed by the rule's name.
type Team struct {
	APIVersion  string               `json:"apiVersion"`
	Name        string               `json:"team"`
	Description string               `json:"description,omitempty"`
	Stream      map[string]Stream    `json:"stream,omitempty"`
	Task        map[string]Task      `json:"task,omitempty"`
	Control     map[string]Control   `json:"control,omitempty"`
	Degrade     map[string]Degrade   `json:"degrade,omitempty"`
	Rewrite     map[string]Rewrite   `json:"rewrite,omitempty"`
	Transform   map[string]Transform `json:"transform,omitempty"`
	Aggregate   map[string]Aggregate `json:"aggregate,omitempty"`
	Budget      map[string]Budget    `json:"budget,omitempty"`
	Sink        map[string]Sink      `json:"sink,omitempty"`
	Test        map[string]Test      `json:"test,omitempty"`
}

// Each visits one section of all teams of a set by team and name.
func Each[T any](set *Set, section func(*Team) map[string]T, visit func(team, name string, entry T)) {
	for i := range set.Teams {
		t := &set.Teams[i]
		entries := section(t)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			visit(t.Name, name, entries[name])
		}
	}
}

// Stream is a set of input topics with one quality level.
type Stream struct {
	Description string   `json:"description,omitempty"`
	Topics      []string `json:"topics"`               // input topics
	Level       string   `json:"level"`                // none, no-loss, no-duplicate, exactly-once
	Processed   string   `json:"processed"`            // topic that hop 1 writes, default "sluice.processed"
	DeadLetter  string   `json:"deadLetter"`           // topic for what cannot be read, default "sluice.dead-letter"
	Key         string   `json:"key"`                  // what records are keyed by: task-metric, task, process
	Partitions  int      `json:"partitions,omitempty"` // partitions to expect, 0: as found
	Direct      bool     `json:"direct,omitempty"`     // level none only: skip the processed topic
}

// Task declares tasks that are known: what they are tagged with, and whether they report.
type Task struct {
	Description string            `json:"description,omitempty"`
	Match       TaskMatch         `json:"match"`
	Tags        map[string]string `json:"tags,omitempty"`
	Enabled     bool              `json:"enabled"`
	Until       string            `json:"until,omitempty"` // day (2026-12-31) up to which the entry holds
}

// TaskMatch selects tasks by torrent_task_id or job_name.
type TaskMatch struct {
	Tasks []string `json:"tasks"`
}

// Match selects series; every field that is given must match. Patterns are globs
// (* and ?) or, after "re:", RE2; both must match the whole value.
type Match struct {
	Tasks   []string            `json:"tasks,omitempty"`
	Metrics []string            `json:"metrics,omitempty"` // series name before rewrites
	Labels  map[string][]string `json:"labels,omitempty"`  // before rewrites; an absent label is ""
	Tags    map[string][]string `json:"tags,omitempty"`
	Kinds   []string            `json:"kinds,omitempty"`
	Origin  []string            `json:"origin,omitempty"`
}

// Ordered is what every rule has.
type Ordered struct {
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`
	Order       int    `json:"order"`
	Expires     string `json:"expires,omitempty"` // day on which the rule ends
	Match       Match  `json:"match"`
	Unless      *Match `json:"unless,omitempty"`
}

// Control is a rule that decides: the first that matches, by tier, order and name.
type Control struct {
	Ordered
	Tier   string `json:"tier"`   // guard, tenant, default
	Action string `json:"action"` // drop, keep, sample, thin, limit, route

	Reason string   `json:"reason,omitempty"` // drop
	Rate   float64  `json:"rate,omitempty"`   // sample: fraction, above 0 and below 1; limit: samples per second
	By     string   `json:"by,omitempty"`     // sample: series or record
	Every  string   `json:"every,omitempty"`  // thin: interval
	Pick   string   `json:"pick,omitempty"`   // thin: last, first, max, min
	Per    string   `json:"per,omitempty"`    // limit: series, task, rule
	To     []string `json:"to,omitempty"`     // route: sinks or streams
	Accept string   `json:"accept,omitempty"` // sample, thin, limit: "loss" when less than a stream's level promises is meant
}

// Degrade is a rule that gives series up under overload, from a step of the ladder on.
type Degrade struct {
	Ordered
	Priority string      `json:"priority"`       // P3, P2, P1, in the order of the steps
	Action   string      `json:"action"`         // drop, sample
	Rate     float64     `json:"rate,omitempty"` // sample: fraction let through, above 0 and below 1
	When     DegradeWhen `json:"when"`
	Back     string      `json:"back"`             // how long measures must be low
	Accept   string      `json:"accept,omitempty"` // "loss"
}

// DegradeWhen holds the bounds of a step; at least one is given.
type DegradeWhen struct {
	Memory string `json:"memory,omitempty"` // share of the limit, or a size
	Lag    string `json:"lag,omitempty"`
	CPU    string `json:"cpu,omitempty"` // share of the cores
}

// Rewrite is a rule that changes names, labels or values: all that match, by order and name.
type Rewrite struct {
	Ordered
	Action string `json:"action"`

	Labels    []string          `json:"labels,omitempty"`    // drop-labels: patterns
	From      string            `json:"from,omitempty"`      // rename-label, extract, table-name
	To        string            `json:"to,omitempty"`        // rename-label, rename-metric
	Prefer    string            `json:"prefer,omitempty"`    // prefer-label: the label to keep
	Over      string            `json:"over,omitempty"`      // prefer-label: the label that goes when prefer is there
	Label     string            `json:"label,omitempty"`     // map-value, short-id, set-label
	Map       map[string]string `json:"map,omitempty"`       // map-value
	Otherwise string            `json:"otherwise,omitempty"` // map-value: keep, drop-label
	Into      string            `json:"into,omitempty"`      // short-id, extract, table-name
	Length    int               `json:"length,omitempty"`    // short-id: hexadecimal digits, 8 to 32
	Longer    int               `json:"longer,omitempty"`    // short-id: only values with more characters than this
	Regex     string            `json:"regex,omitempty"`     // extract
	Value     string            `json:"value,omitempty"`     // set-label, extract
	Factor    float64           `json:"factor,omitempty"`    // scale
}

// Transform is a rule that has a plugin change series or samples; its place is among
// the rewrites. In a set that was loaded, Plugin is name@sha256:…, Scope is there,
// and Config is complete: with what the plugin's schema fills in.
type Transform struct {
	Ordered
	Plugin  string          `json:"plugin"`          // a file of the set, or name@sha256:…
	Scope   string          `json:"scope,omitempty"` // series, sample
	Config  map[string]any  `json:"config,omitempty"`
	Limits  TransformLimits `json:"limits,omitzero"`
	Writes  []string        `json:"writes,omitempty"` // labels that the plugin may set or take away; none: those of its manifest
	OnError string          `json:"onError"`          // quarantine, drop, pass, stop
	Accept  string          `json:"accept,omitempty"` // "loss"
	Shadow  float64         `json:"shadow,omitempty"` // share of batches that it is only tried on
}

// TransformLimits bound the plugin of a rule; what is not given is as the plugin and
// the instance have it.
type TransformLimits struct {
	Pages int    `json:"pages,omitempty"` // of 64 KiB
	Batch string `json:"batch,omitempty"` // how long one batch may take
}

// Aggregate is a rule that merges series by taking labels away: the first that
// matches, by order and name.
type Aggregate struct {
	Ordered
	Drop      []string `json:"drop,omitempty"`      // labels that go; one of Drop and Keep is given
	Keep      []string `json:"keep,omitempty"`      // labels that stay
	Counter   string   `json:"counter"`             // sum
	Gauge     string   `json:"gauge,omitempty"`     // avg, sum, min, max, last, count
	Meter     string   `json:"meter"`               // sum
	Histogram string   `json:"histogram"`           // sum
	Quantiles string   `json:"quantiles,omitempty"` // max: an upper bound; "": none
	Window    string   `json:"window"`
	Late      string   `json:"late"`
	Into      string   `json:"into,omitempty"` // name of what comes out
	Members   string   `json:"members"`        // drop, keep
}

// Budget is a rule that bounds what goes out: all that match apply.
type Budget struct {
	Ordered
	Per              string  `json:"per"`                        // task, metric, team
	Series           int     `json:"series,omitempty"`           // live series, 0: any number
	SamplesPerSecond float64 `json:"samplesPerSecond,omitempty"` // 0: any number
	Growth           *Growth `json:"growth,omitempty"`
	Overflow         string  `json:"overflow"` // merge, drop
}

// Growth bounds how many series a budget lets in within a time.
type Growth struct {
	Series int    `json:"series"`
	Within string `json:"within"`
}

// Sink is a place to which series are sent.
type Sink struct {
	Description string `json:"description,omitempty"`
	Type        string `json:"type"`    // kafka, remote-write, scrape, store
	Default     bool   `json:"default"` // takes what no route sent elsewhere

	Topic      string            `json:"topic,omitempty"`      // kafka: topic on the same brokers
	URL        string            `json:"url,omitempty"`        // remote-write
	Protocol   string            `json:"protocol,omitempty"`   // remote-write: 1.0 or 2.0
	Basic      *Basic            `json:"basic,omitempty"`      // remote-write
	Bearer     string            `json:"bearer,omitempty"`     // remote-write: secret reference
	Headers    map[string]string `json:"headers,omitempty"`    // remote-write
	Timeout    string            `json:"timeout,omitempty"`    // remote-write: of one request
	Path       string            `json:"path,omitempty"`       // scrape: HTTP path
	Stale      string            `json:"stale,omitempty"`      // scrape: how long a silent series is exposed
	Retention  string            `json:"retention,omitempty"`  // store
	OutOfOrder string            `json:"outOfOrder,omitempty"` // store: window in which older samples are taken
}

// Takes returns which samples are for the sink of this name: those that a route sends
// there, and for a default sink those that no route sent elsewhere.
func (s Sink) Takes(name string) func(to []string) bool {
	return func(to []string) bool {
		if len(to) == 0 {
			return s.Default
		}
		return slices.Contains(to, name)
	}
}

// Basic is HTTP basic authentication; Password is a secret reference.
type Basic struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Test is an example: records in, and what must come out.
type Test struct {
	Description string      `json:"description,omitempty"`
	Step        string      `json:"step"` // of the ladder, in force from the beginning
	Given       []TestInput `json:"given"`
	Expect      TestExpect  `json:"expect"`
}

// TestInput is one sample of a test, written short.
type TestInput struct {
	Task   string            `json:"task"`
	Scope  string            `json:"scope,omitempty"` // Flink's logical scope; without it metric is the series name
	Metric string            `json:"metric"`
	Kind   string            `json:"kind"`
	Origin string            `json:"origin,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
	At     string            `json:"at"` // since the start of the test
}

// TestExpect says what must come out of the given records, in any order.
type TestExpect struct {
	Kept    []TestSeries  `json:"kept,omitzero"` // empty: nothing comes out; nil: anything may
	Dropped []TestDropped `json:"dropped,omitzero"`
	Samples []string      `json:"samples,omitempty"` // for each of Given, out or the disposition that ended it
}

// TestSeries is a series that must come out, with exactly these labels.
type TestSeries struct {
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels,omitempty"` // torrent_task_id is implied from Task when that is given
	Task   string            `json:"task,omitempty"`
	Value  *float64          `json:"value,omitempty"`
	To     []string          `json:"to,omitempty"`
}

// TestDropped names a series that must not come out, and the rule that stopped it.
type TestDropped struct {
	Metric string            `json:"metric"`
	Task   string            `json:"task,omitempty"`
	Labels map[string]string `json:"labels,omitempty"` // some of those it was reported with
	By     string            `json:"by"`               // rule name, or team/rule
}

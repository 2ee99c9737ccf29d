package runtime

import (
	"time"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/source"
)

// Kinds of Origin.
const (
	OriginBuiltIn   = "built-in"  // the default set
	OriginDirectory = "directory" // that the instance follows
	OriginGit       = "git"       // a repository that it follows
	OriginPush      = "push"      // by the API
	OriginRollback  = "rollback"  // by the API, or because a set left the bounds of its probation
)

// Origin says where a revision comes from, and who put it in force.
type Origin struct {
	Kind   string    `json:"kind"`             // built-in, directory, git, push or rollback
	Place  string    `json:"place,omitempty"`  // directory, or address of the repository
	Ref    string    `json:"ref,omitempty"`    // branch or tag
	Commit string    `json:"commit,omitempty"` // of git
	Signer string    `json:"signer,omitempty"` // of the commit, where signatures are required
	By     string    `json:"by,omitempty"`     // name of the actor, "" for the instance itself
	From   string    `json:"from,omitempty"`   // address that it asked from
	Reason string    `json:"reason,omitempty"` // in the words of who asked, or of the bound that was left
	Plan   string    `json:"plan,omitempty"`   // digest of the plan that the change was bound to
	At     time.Time `json:"at"`               // when it was loaded or pushed
}

// files is what stands before the names of the set's files: where a directory is, or
// the path within a repository; of what was pushed, nothing.
func (o Origin) files() string {
	switch o.Kind {
	case OriginBuiltIn:
		return defaultSet
	case OriginDirectory:
		return o.Place
	case OriginGit:
		if address, err := source.ParseGitAddress(o.Place); err == nil {
			return address.Path
		}
	}
	return ""
}

// States of a policy set in force.
const (
	PolicyApplying  = "applying"  // some workers still run the one before
	PolicyProbation = "probation" // has to show that it is good
	PolicyGood      = "good"      //
)

// PolicyStatus tells of the policy set in force and of where sets come from.
type PolicyStatus struct {
	Revision  string         `json:"revision"`           // of the policy set in force
	State     string         `json:"state"`              // applying, probation or good
	Since     time.Time      `json:"since"`              // when it was put in force
	Origin    Origin         `json:"origin"`             // of the set in force
	Waiting   []string       `json:"waiting,omitempty"`  // partitions whose worker runs an older set
	Healthy   float64        `json:"healthy_seconds"`    // of the probation, while State is probation
	LastGood  string         `json:"last_good"`          // revision that a restart falls back on, "" for none
	Source    string         `json:"source"`             // where sets come from: the setting policies
	Pushed    bool           `json:"pushed,omitempty"`   // in force until the source changes
	Fallback  bool           `json:"fallback,omitempty"` // the last good set runs: the source has none that can
	Checked   time.Time      `json:"checked"`            // the source, for the last time
	Refused   *RefusedPolicy `json:"refused,omitempty"`  // what the source has now, and why it does not run
	Rollbacks uint64         `json:"rollbacks"`          // because a bound was left, since the start
}

// RefusedPolicy is a policy set that is not in force although its source has it.
type RefusedPolicy struct {
	At       time.Time         `json:"at"`                 // when it was refused
	Origin   Origin            `json:"origin"`             // of the set
	Revision string            `json:"revision,omitempty"` // "" when it could not be compiled
	Error    string            `json:"error"`              // why it does not run, in a sentence
	Findings []diag.Diagnostic `json:"findings,omitempty"` // what is wrong with it
}

package runtime

import "slices"

// Role says what an actor may ask of an instance. Each may what those before it may.
type Role string

// The roles, from the least to the most.
const (
	RoleViewer   Role = "viewer"   // reads
	RoleAuthor   Role = "author"   // also has policy sets validated and planned
	RoleOperator Role = "operator" // also changes what runs
	RoleAdmin    Role = "admin"    // also changes who may do what, and what code runs
)

// Roles lists the roles from the least to the most.
func Roles() []Role { return []Role{RoleViewer, RoleAuthor, RoleOperator, RoleAdmin} }

// Known reports whether there is such a role.
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// Includes reports whether who has the role may do what needs at least another
// one. A role that is not known includes none.
func (r Role) Includes(least Role) bool {
	have, need := slices.Index(Roles(), r), slices.Index(Roles(), least)
	return have >= 0 && need >= 0 && have >= need
}

// Actor is who asks for something. The zero Actor is this process itself, which
// may do everything.
type Actor struct {
	Name    string   `json:"name"`              // of a token, a certificate or a person
	Role    Role     `json:"role,omitempty"`    // what it may do
	Teams   []string `json:"teams,omitempty"`   // what it changes is bounded to these; none: no bound
	Address string   `json:"address,omitempty"` // host:port that it asked from
}

// Itself reports whether the actor is this process.
func (a Actor) Itself() bool { return a.Name == "" && a.Role == "" }

// May reports whether the actor has at least a role.
func (a Actor) May(least Role) bool { return a.Itself() || a.Role.Includes(least) }

// MayChange reports whether the actor may change what belongs to a team; "" is
// what belongs to no team, which only those may change who are bound to none.
func (a Actor) MayChange(team string) bool {
	return len(a.Teams) == 0 || slices.Contains(a.Teams, team)
}

// CountRefused counts a request that was not let in. There are few reasons: each is
// a label of a metric.
func (r *Runtime) CountRefused(reason string) { r.metrics.AuthRefused.Add(1, reason) }

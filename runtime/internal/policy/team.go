package policy

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// judged is what is known of one team once it has been evaluated. It is plain
// data: another process may have found it out.
type judged struct {
	Team  *Team             `json:"team,omitempty"` // nil when its shape is wrong
	Part  *Team             `json:"part,omitempty"` // then: the rules whose shape is right; nil for none
	Known Provenance        `json:"known,omitempty"`
	Found []diag.Diagnostic `json:"found,omitempty"`
	Tags  []string          `json:"tags,omitempty"`  // names of tag fields
	Taken []string          `json:"taken,omitempty"` // tags that a field takes
}

// rules are those that can be looked at further; nil for none.
func (j *judged) rules() *Team { return cmp.Or(j.Team, j.Part) }

// A teamOutcome is what is known of one team, and where it is written.
type teamOutcome struct {
	*judged
	where *locator // nil without rules
}

// judgeTeam parses and evaluates one team. It shares nothing with other teams but the
// schema as it is written.
func (c *contract) judgeTeam(pkg teamPackage, snap Snapshot, tags []string) (teamOutcome, error) {
	sources, found := parseAll(snap, pkg.Files)
	out := teamOutcome{judged: &judged{}}
	for _, s := range sources {
		found = append(found, vetFile(s)...)
	}
	if out.Found = found; len(found) > 0 {
		return out, nil
	}
	holes := &holeFinder{root: policyField}
	t := plant(sources, holes.visit)
	fields, ds := tagFields(sources)
	found = append(found, holes.out...)
	found = append(append(append(found, ds...), vetTests(sources)...), cycles(sources)...)
	for _, f := range fields {
		out.Tags = append(out.Tags, f.name)
	}
	out.Taken = injectTags(fields, tags)
	if t.fields[policyField] == nil {
		d := finding(diag.NoPolicy, token.NoPos, "the team declares no policy")
		d.Pos.File, d.Hint = lastFile(pkg), "write policy: schema.#Policy & {team: …}"
		out.Found = append(found, d)
		return out, nil
	}
	x := newExplainer(t, policyField, "Policy", sources)
	e, err := c.evaluateTeam(sources, t, fields)
	if err != nil {
		return out, err
	}
	if out.Found, err = x.explain(e.wrong, found); err != nil {
		return out, err
	}
	out.Found = append(out.Found, wrongTeam(pkg, t, e.value)...)
	refused := diag.Refused(out.Found)
	name, err := e.value.LookupPath(field("team")).String()
	if err != nil && refused {
		return out, nil
	} else if err != nil {
		return out, fmt.Errorf("team %s: %w", pkg.Dir, err)
	}
	r := &reader{locator: &locator{team: name, tree: func() *tree { return t.fields[policyField] }}, own: x.own, places: map[string][]fieldPlace{}, lenient: refused}
	team, err := r.policy(e.value)
	switch {
	case refused && err != nil:
		return out, nil // more is wrong than single rules
	case err != nil:
		return out, fmt.Errorf("team %s: %w", pkg.Dir, err)
	case refused:
		out.Part = team
	default:
		out.Team = team
	}
	out.where, out.Known = r.locator, r.known
	return out, nil
}

func lastFile(pkg teamPackage) string {
	for _, name := range pkg.Files {
		if path.Dir(name) == pkg.Dir {
			return name
		}
	}
	return pkg.Files[len(pkg.Files)-1]
}

// evaluateTeam evaluates policy, bound to the schema and to the set's own #Team. Most
// sets are right, which the brief form of the schema finds out soonest.
func (c *contract) evaluateTeam(sources []*source, t *tree, tags []tagField) (evaluation, error) {
	bind, err := imposed(t.fields["#Team"] != nil)
	if err != nil {
		return evaluation{}, err
	}
	files := []*ast.File{bind}
	for _, s := range sources {
		files = append(files, s.file)
	}
	e, err := c.evaluateWith(files, tags, brief)
	if err != nil || len(e.wrong) == 0 {
		return e, err
	}
	return c.evaluateWith(files, tags, full)
}

func (c *contract) evaluateWith(files []*ast.File, tags []tagField, how form) (evaluation, error) {
	e, err := c.evaluate(files, field(policyField), how)
	if err != nil || len(e.wrong) > 0 {
		return e, err
	}
	for _, f := range tags {
		value := e.pkg.LookupPath(hiddenPath(labelName(f.field.Label).text))
		e.wrong = append(e.wrong, errors.Errors(value.Err())...)
	}
	return e, nil
}

// hiddenPath is the path of a top-level field that may be hidden or a definition.
func hiddenPath(name string) cue.Path {
	sel := cue.Str(name)
	switch {
	case name[0] == '#':
		sel = cue.Def(name)
	case name[0] == '_':
		sel = cue.Hid(name, "sluice.invalid/"+packageName)
	}
	return cue.MakePath(sel)
}

// wrongTeam finds a team that is not named after its directory: the directory is
// what decides who may write for whom.
func wrongTeam(pkg teamPackage, t *tree, value cue.Value) []diag.Diagnostic {
	if pkg.Team == "" || !value.Exists() {
		return nil
	}
	name, err := value.LookupPath(cue.MakePath(cue.Str("team"))).String()
	if err != nil || name == pkg.Team {
		return nil
	}
	at := []string{policyField, "team"}
	sites, _ := t.near(at)
	pos := sites[0].value.Pos()
	for _, s := range sites {
		if text, ok := s.text(); ok && text == name {
			pos = s.value.Pos()
		}
	}
	d := finding(diag.WrongTeam, pos, "team is %q in the directory of team %q", name, pkg.Team)
	d.Path, d.Hint = pathString(at), fmt.Sprintf("write team: %q, or move the file to %s/%s", pkg.Team, teamsDir, name)
	if strings.Trim(pkg.Team, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		d.Hint = fmt.Sprintf("move the file to %s/%s: the name of a team, and so of its directory, has lower-case letters, digits and hyphens", teamsDir, name)
	}
	return []diag.Diagnostic{d}
}

// decodeStrict reads a value into plain data and refuses fields that it has no place for.
func decodeStrict(value cue.Value, into any) error {
	text, err := value.MarshalJSON()
	if err != nil {
		return fmt.Errorf("read evaluated values: %w", err)
	}
	if err := unmarshalStrict(text, into); err != nil {
		return fmt.Errorf("read evaluated values: %w", err)
	}
	return nil
}

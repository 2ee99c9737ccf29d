package policy

import (
	"fmt"
	"path"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// A teamOutcome is what is known of one team: its values when it has the right
// shape, and where they were written.
type teamOutcome struct {
	team  *Team // nil when its shape is wrong
	where *locator
	found []diag.Diagnostic
	tags  map[string]bool // names of tag fields
	taken map[string]bool // tags that a field takes
}

// judgeTeam parses and evaluates one team. It shares nothing with other teams.
func judgeTeam(pkg teamPackage, snap Snapshot, tags []string) (*teamOutcome, error) {
	sources, found := parseAll(snap, pkg.files)
	out := &teamOutcome{tags: map[string]bool{}, taken: map[string]bool{}}
	for _, s := range sources {
		found = append(found, vetFile(s)...)
	}
	if out.found = found; len(found) > 0 {
		return out, nil
	}
	holes := &holeFinder{root: policyField}
	t := plant(sources, holes.visit)
	fields, ds := tagFields(sources)
	found = append(found, holes.out...)
	found = append(append(append(found, ds...), vetTests(sources)...), cycles(sources)...)
	for _, f := range fields {
		out.tags[f.name] = true
	}
	injectTags(fields, tags, out.taken)
	if t.fields[policyField] == nil {
		d := finding(diag.NoPolicy, token.NoPos, "the team declares no policy")
		d.Pos.File, d.Hint = lastFile(pkg), "write policy: schema.#Policy & {team: …}"
		out.found = append(found, d)
		return out, nil
	}
	x := newExplainer(t, policyField, "Policy", sources)
	e, err := evaluateTeam(sources, t, fields)
	if err != nil {
		return nil, err
	}
	if out.found, err = x.explain(e.wrong, found); err != nil {
		return nil, err
	}
	if out.found = append(out.found, wrongTeam(pkg, t, e.value)...); diag.Refused(out.found) {
		return out, nil
	}
	out.team = &Team{}
	if err := decodeStrict(e.value, out.team); err != nil {
		return nil, fmt.Errorf("team %s: %w", pkg.dir, err)
	}
	out.where = locate(out.team.Name, t, e.value, x.own)
	return out, nil
}

func lastFile(pkg teamPackage) string {
	for _, name := range pkg.files {
		if path.Dir(name) == pkg.dir {
			return name
		}
	}
	return pkg.files[len(pkg.files)-1]
}

// evaluateTeam evaluates policy, bound to the schema and to the set's own #Team.
func evaluateTeam(sources []*source, t *tree, tags []tagField) (evaluation, error) {
	bind, err := imposed(t.fields["#Team"] != nil)
	if err != nil {
		return evaluation{}, err
	}
	files := []*ast.File{bind}
	for _, s := range sources {
		files = append(files, s.file)
	}
	e, err := evaluate(files, field(policyField))
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
	if pkg.team == "" || !value.Exists() {
		return nil
	}
	name, err := value.LookupPath(cue.MakePath(cue.Str("team"))).String()
	if err != nil || name == pkg.team {
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
	d := finding(diag.WrongTeam, pos, "team is %q in the directory of team %q", name, pkg.team)
	d.Path, d.Hint = pathString(at), fmt.Sprintf("write team: %q, or move the file to %s/%s", pkg.team, teamsDir, name)
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

package policy

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// packageName is the CUE package of every file of a policy set.
const packageName = "policies"

// teamsDir is the directory that holds a directory for each team.
const teamsDir = "teams"

// A teamPackage is what is evaluated as one: the files of a team's directory and
// those of the directories above it.
type teamPackage struct {
	Team  string   `json:"team"`  // name of the directory, "" in a set without teams
	Dir   string   `json:"dir"`   // "." in a set without teams
	Files []string `json:"files"` // sorted
}

// reads reports whether a file of that name, were it part of the set, would belong
// to the team. A set without teams may be one whose only team lacks a file.
func (p teamPackage) reads(name string) bool {
	dir := path.Dir(name)
	return p.Team == "" || path.Ext(name) == ".cue" && (dir == "." || dir == teamsDir || dir == p.Dir)
}

// packages divides the files of a set among teams. Each team has a context of its
// own in which it is evaluated, so that one cannot slow down or break another.
func packages(snap Snapshot) []teamPackage {
	byDir := map[string][]string{}
	var teams []string
	for _, name := range snap.names() {
		dir := path.Dir(name)
		byDir[dir] = append(byDir[dir], name)
		if path.Dir(dir) == teamsDir {
			teams = append(teams, path.Base(dir))
		}
	}
	if len(teams) == 0 {
		if len(byDir["."]) == 0 {
			return nil
		}
		return []teamPackage{{Dir: ".", Files: byDir["."]}}
	}
	var out []teamPackage
	for _, team := range slices.Compact(teams) {
		dir := path.Join(teamsDir, team)
		files := slices.Concat(byDir["."], byDir[teamsDir], byDir[dir])
		slices.Sort(files)
		out = append(out, teamPackage{Team: team, Dir: dir, Files: files})
	}
	slices.SortFunc(out, func(a, b teamPackage) int { return cmp.Compare(a.Team, b.Team) })
	return out
}

// unread finds, among files that no team reads, those that look like part of the set.
func unread(sources []*source) []diag.Diagnostic {
	var out []diag.Diagnostic
	for _, s := range sources {
		if s.file.PackageName() != packageName {
			continue
		}
		d := finding(diag.BadPackage, packagePos(s.file), "no team reads this file")
		d.Pos.File = s.name
		d.Hint = "move the file to the root of the set, or to " + teamsDir + "/<team>"
		if parts := strings.Split(s.name, "/"); parts[0] == teamsDir {
			d.Hint = "a team is one directory; move the file up to " + path.Join(teamsDir, parts[1])
		}
		out = append(out, d)
	}
	return out
}

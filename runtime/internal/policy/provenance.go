package policy

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Provenance says where authors wrote the rules of each team, and the fields of
// those. A path is team.section.name, and .field and so on for what is within. Nil
// knows nothing. It is immutable.
type Provenance map[string]Places

// Places are those of one team, in a form that is read where it is asked for: sets
// of thousands of rules have ten times as many places, of which few are ever needed.
type Places struct {
	Files  []string `json:"files"`
	Fields []string `json:"fields"` // paths within a rule, "" for the rule itself

	// Rules has an entry for each rule, up to a semicolon, sorted by its section.name,
	// which it begins with. Behind a space for each are the places: a number of Fields, a number of
	// Files, line and column, with colons between them. The file, or file and line,
	// are left out where they are those of the place before.
	Rules string `json:"rules"`
}

// At returns where the field at path, or a rule, was written.
func (p Provenance) At(path string) (diag.Pos, bool) {
	team, rest, _ := strings.Cut(path, ".")
	rule, field := cutRule(rest)
	t := p[team]
	return t.at(rule, field)
}

// Rule returns where a rule was written; the zero Pos when that is not known.
func (t *Places) Rule(section, name string) diag.Pos {
	pos, _ := t.at(section+"."+name, "")
	return pos
}

// Near returns where the field at path was written, or the closest field around it
// whose place is known; the zero Pos when there is none.
func (p Provenance) Near(path string) diag.Pos {
	for path != "" {
		if pos, ok := p.At(path); ok {
			return pos
		}
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	return diag.Pos{}
}

// Under returns the provenance with files below a directory.
func (p Provenance) Under(dir string) Provenance {
	out := make(Provenance, len(p))
	for team, t := range p {
		t.Files = slices.Clone(t.Files)
		for i := range t.Files {
			t.Files[i] = path.Join(dir, t.Files[i])
		}
		out[team] = t
	}
	return out
}

// cutRule cuts section.name.field behind the name.
func cutRule(path string) (rule, field string) {
	section := strings.IndexByte(path, '.') + 1
	if i := strings.IndexByte(path[section:], '.'); section > 0 && i >= 0 {
		return path[:section+i], path[section+i+1:]
	}
	return path, ""
}

// at reads the place of a field of a rule.
func (t *Places) at(rule, field string) (diag.Pos, bool) {
	line, of := t.line(rule), slices.Index(t.Fields, field)
	if line == "" || of < 0 {
		return diag.Pos{}, false
	}
	var at diag.Pos
	for entry := range strings.SplitSeq(line, " ") {
		var n [4]int
		given := 0
		for text := range strings.SplitSeq(entry, ":") {
			v, err := strconv.Atoi(text)
			if err != nil || v < 0 || given == len(n) {
				return diag.Pos{}, false
			}
			n[given] = v
			given++
		}
		switch {
		case given == 2:
			at.Column = n[1]
		case given == 3:
			at.Line, at.Column = n[1], n[2]
		case given == 4 && n[1] < len(t.Files):
			at = diag.Pos{File: t.Files[n[1]], Line: n[2], Column: n[3]}
		default:
			return diag.Pos{}, false
		}
		if n[0] == of {
			return at, true
		}
	}
	return diag.Pos{}, false
}

// line returns the places of a rule, "" when it has none.
func (t *Places) line(rule string) string {
	text := t.Rules
	for text != "" {
		// Forward is ten times as fast as back, which is left for the last of the entries.
		begin := len(text) / 2
		if i := strings.IndexByte(text[begin:], ';') + 1; i > 0 && begin+i < len(text) {
			begin += i
		} else {
			begin = strings.LastIndexByte(text[:begin], ';') + 1
		}
		end := begin + strings.IndexByte(text[begin:], ';')
		if end < begin {
			end = len(text)
		}
		switch key := text[begin:min(begin+len(rule), end)]; {
		case rule > key:
			text = text[min(end+1, len(text)):]
		case rule < key || !strings.HasPrefix(text[begin+len(rule):end], " "):
			text = text[:begin]
		default:
			return text[begin+len(rule)+1 : end]
		}
	}
	return ""
}

// NewProvenance returns the provenance of places by path.
func NewProvenance(places map[string]diag.Pos) Provenance {
	type rules = map[string][]fieldPlace
	teams := map[string]rules{}
	for path, pos := range places {
		team, rest, _ := strings.Cut(path, ".")
		rule, field := cutRule(rest)
		if teams[team] == nil {
			teams[team] = rules{}
		}
		teams[team][rule] = append(teams[team][rule], fieldPlace{field, pos})
	}
	out := make(Provenance, len(teams))
	for team, of := range teams {
		out[team] = newPlaces(of)
	}
	return out
}

// fieldPlace is where a field of a rule was written.
type fieldPlace struct {
	field string
	pos   diag.Pos
}

func newPlaces(rules map[string][]fieldPlace) Places {
	var t Places
	files, fields := map[string]int{}, map[string]int{}
	var text []byte
	for _, rule := range sorted(rules) {
		text = append(text, rule...)
		places := rules[rule]
		slices.SortFunc(places, func(a, b fieldPlace) int {
			return cmp.Or(cmp.Compare(a.pos.File, b.pos.File), cmp.Compare(a.pos.Line, b.pos.Line), cmp.Compare(a.pos.Column, b.pos.Column), cmp.Compare(a.field, b.field))
		})
		var was diag.Pos
		for i, p := range places {
			text = strconv.AppendInt(append(text, ' '), int64(number(fields, &t.Fields, p.field)), 10)
			if i == 0 || p.pos.File != was.File {
				text = strconv.AppendInt(append(text, ':'), int64(number(files, &t.Files, p.pos.File)), 10)
				was.Line = -1
			}
			if p.pos.Line != was.Line {
				text = strconv.AppendInt(append(text, ':'), int64(p.pos.Line), 10)
			}
			text = strconv.AppendInt(append(text, ':'), int64(p.pos.Column), 10)
			was = p.pos
		}
		text = append(text, ';')
	}
	t.Rules = string(text)
	return t
}

// number returns the place of a text in a list, to which it is added once.
func number(known map[string]int, list *[]string, text string) int {
	n, ok := known[text]
	if !ok {
		n = len(*list)
		known[text], *list = n, append(*list, text)
	}
	return n
}

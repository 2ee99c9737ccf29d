package relabel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// nameLabel is the label that Prometheus keeps the name of a metric in.
const nameLabel = "__name__"

// A rule is what one step becomes, or a part of it.
type rule struct {
	section    string // control or rewrite
	definition string // of the schema, such as Drop
	suffix     string // tells the rules of a step apart
	match      match
	unless     match
	fields     [][2]string // name and text, in order; a text beginning with "[" is a list
}

// A match is a conjunction of conditions; nil selects everything.
type match []condition

// A condition is about the value of one label, an absent one being "".
type condition struct {
	label  string
	values []string // patterns
}

// An outcome is what became of a step.
type outcome struct {
	rules  []rule
	differ []string // how the rules differ from the step
	reason string   // why there are no rules
}

func leave(format string, args ...any) outcome { return outcome{reason: fmt.Sprintf(format, args...)} }

// A translator goes through the steps of a list and knows what the ones before have
// written.
type translator struct {
	written []effect
	step    int
}

// An effect is what a step does to labels that others may read.
type effect struct {
	step    int
	touches func(label string) bool
	lost    bool // the step is not expressed, so nobody has the value
}

func (t *translator) touch(lost bool, touches func(string) bool) {
	t.written = append(t.written, effect{t.step, touches, lost})
}

func only(label string) func(string) bool { return func(l string) bool { return l == label } }

// readable says why a label cannot be read: by a selector, which sees series as
// they were reported, or with current, by a rewrite, which sees what is there.
func (t *translator) readable(label string, current bool) string {
	for _, e := range slices.Backward(t.written) {
		switch {
		case !e.touches(label):
		case e.lost:
			return fmt.Sprintf("it reads %s, which step %d would have changed, and that one is not expressed", label, e.step)
		case !current:
			return fmt.Sprintf("it reads %s, which step %d changes, and selectors see series as they were reported", label, e.step)
		}
	}
	switch {
	case label == nameLabel || labelName.MatchString(label):
		return ""
	case strings.HasPrefix(label, "__"):
		return fmt.Sprintf("%s is a label of a target that is scraped, and no series here has it", label)
	}
	return fmt.Sprintf("%s cannot be the name of a label here", label)
}

var (
	labelName  = regexp.MustCompile(`^([a-zA-Z]|_[a-zA-Z0-9]|_$)[a-zA-Z0-9_]*$`)
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
)

// translate says what a step becomes, and remembers what it does to labels.
func (t *translator) translate(s *Step) outcome {
	t.step++
	var o outcome
	switch s.Action {
	case "drop", "keep":
		return t.control(s)
	case "replace":
		o = t.replace(s)
		t.touch(o.reason != "", only(s.Target))
		if strings.Contains(s.Target, "$") {
			t.touch(true, named(s.Target))
		}
	case "labeldrop":
		o = t.labelDrop(s)
		t.touch(o.reason != "", s.regex.MatchString)
	case "labelkeep":
		o = leave("rules name the labels that go, not those that stay: write schema.#DropLabels with the others")
		t.touch(true, func(l string) bool { return !s.regex.MatchString(l) })
	case "labelmap":
		o = t.labelMap(s)
		t.touch(o.reason != "", named(s.Replacement))
	case "hashmod":
		o = leave("no rule computes this hash; to let a share of the series through write schema.#Sample")
		t.touch(true, only(s.Target))
	case "lowercase", "uppercase":
		o = leave("no rule changes the case of letters; schema.#MapValue replaces values by a table")
		t.touch(true, only(s.Target))
	default: // keepequal, dropequal
		o = leave("no selector compares a label with another one")
	}
	return o
}

// named reports which labels a template can name.
func named(template string) func(string) bool {
	var b strings.Builder
	from := 0
	for _, m := range reference.FindAllStringIndex(template, -1) {
		b.WriteString(regexp.QuoteMeta(template[from:m[0]]) + ".*")
		from = m[1]
	}
	b.WriteString(regexp.QuoteMeta(template[from:]))
	return regexp.MustCompile("^" + b.String() + "$").MatchString
}

// A selection is the conditions under which a step applies.
type selection struct {
	match   match
	never   bool // it never applies
	differs string
	pieces  []string // the expression for each source label
}

// selection takes the expression of a step apart into conditions on single labels.
func (t *translator) selection(s *Step) (sel selection, reason string) {
	sel.pieces = []string{s.Regex}
	switch {
	case len(s.Source) == 0:
		sel.never = !s.regex.MatchString("")
		return sel, ""
	case len(s.Source) > 1:
		if bare(s.Regex) == ".*" {
			return selection{}, ""
		}
		if sel.pieces, sel.differs, reason = s.divide(); reason != "" {
			return sel, reason
		}
	}
	for i, label := range s.Source {
		list, ok := patterns(sel.pieces[i])
		if !ok {
			return sel, fmt.Sprintf("the pattern for %s is longer than %d characters", label, maxPattern)
		}
		if label == nameLabel {
			// A metric has a name, and a pattern for names is not empty.
			if list = slices.DeleteFunc(list, func(p string) bool { return p == "" }); len(list) == 0 {
				sel.never = true
			}
		}
		if slices.Contains(list, "*") {
			continue // true of every series
		}
		if slices.ContainsFunc(sel.match, func(c condition) bool { return c.label == label }) {
			return sel, fmt.Sprintf("it has two conditions on %s", label)
		}
		sel.match = append(sel.match, condition{label, list})
	}
	return sel, ""
}

// divide splits the expression of a step at the separator, one piece per label.
func (s *Step) divide() (pieces []string, differs, reason string) {
	if s.Separator == "" || hasFlags.MatchString(s.Regex) {
		return nil, "", "its expression about several labels cannot be taken apart"
	}
	whole := bare(s.Regex)
	if whole != s.Regex && strings.Contains(s.Replacement, "$") && s.Action == "replace" {
		whole = s.Regex // the group around all of it is referred to
	}
	if len(split(whole, "|")) > 1 {
		return nil, "", "its expression has alternatives over several labels: write a rule for each"
	}
	pieces = split(whole, regexp.QuoteMeta(s.Separator))
	if len(pieces) != len(s.Source) {
		return nil, "", fmt.Sprintf("its expression does not have a part for each of the %d labels", len(s.Source))
	}
	for _, p := range pieces {
		if _, err := regexp.Compile(p); err != nil {
			return nil, "", "its expression about several labels cannot be taken apart"
		}
		if mayContain(p, []rune(s.Separator)[0]) {
			differs = fmt.Sprintf("Prometheus also matches across the labels where a value contains %q", s.Separator)
		}
	}
	return pieces, differs, ""
}

// visible says why one of the conditions cannot be a selector.
func (t *translator) visible(m match) string {
	for _, c := range m {
		if reason := t.readable(c.label, false); reason != "" {
			return reason
		}
	}
	return ""
}

func (t *translator) control(s *Step) outcome {
	sel, reason := t.selection(s)
	if reason == "" {
		reason = t.visible(sel.match)
	}
	if reason != "" {
		return leave("%s", reason)
	}
	r := rule{section: "control", definition: "Drop", fields: [][2]string{{"reason", fmt.Sprintf("relabelling step %d, %s", t.step, s.Action)}}}
	o := outcome{}
	if sel.differs != "" {
		o.differ = []string{sel.differs}
	}
	switch {
	case s.Action == "drop" && sel.never, s.Action == "keep" && !sel.never && len(sel.match) == 0:
		return outcome{differ: []string{"it never drops anything, so there is no rule"}}
	case s.Action == "drop":
		r.match = sel.match
	case !sel.never:
		r.unless = sel.match
	}
	o.rules = []rule{r}
	return o
}

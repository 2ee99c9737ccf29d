package relabel

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// replace translates the action that most steps have.
func (t *translator) replace(s *Step) outcome {
	switch {
	case strings.Contains(s.Target, "$"):
		return leave("the name of the label that it sets depends on a value")
	case s.Target != nameLabel && !labelName.MatchString(s.Target):
		return leave("it sets %s, and labels with such names do not exist here", s.Target)
	}
	sel, reason := t.selection(s)
	if reason != "" {
		return leave("%s", reason)
	}
	if sel.never {
		return outcome{differ: []string{"it never applies, so there is no rule"}}
	}
	parts := template(s.regex, s.Replacement)
	if refs := groups(parts); len(refs) > 0 && len(s.Source) > 0 {
		return t.extract(s, sel, parts, refs)
	}
	value := string(s.regex.ExpandString(nil, s.Replacement, "", make([]int, 2+2*s.regex.NumSubexp())))
	if reason := t.visible(sel.match); reason != "" {
		return t.constant(s, value, reason)
	}
	o := outcome{rules: []rule{set(s.Target, value)}}
	if o.rules[0].definition == "" {
		return leave("it takes the name away, or gives a name that no metric can have: %q", value)
	}
	o.rules[0].match = sel.match
	if sel.differs != "" {
		o.differ = []string{sel.differs}
	}
	return o
}

// set is the rule that gives a label a value, or takes it away. Its definition is
// "" when a metric cannot have the name.
func set(label, value string) rule {
	r := rule{section: "rewrite"}
	switch {
	case label != nameLabel && value == "":
		r.definition, r.fields = "DropLabels", [][2]string{{"labels", "[" + quote(label) + "]"}}
	case label != nameLabel:
		r.definition, r.fields = "SetLabel", [][2]string{{"label", label}, {"value", value}}
	case metricName.MatchString(value):
		r.definition, r.fields = "RenameMetric", [][2]string{{"to", value}}
	}
	return r
}

// constant sets a label by the current value of another one, which no selector sees.
func (t *translator) constant(s *Step, value, reason string) outcome {
	if len(s.Source) != 1 || s.Source[0] == nameLabel || s.Target == nameLabel || value == "" || s.regex.MatchString("") || len(s.Regex) > maxPattern {
		return leave("%s", reason)
	}
	if reason := t.readable(s.Source[0], true); reason != "" {
		return leave("%s", reason)
	}
	return outcome{rules: []rule{extracted(s.Source[0], s.Regex, s.Target, strings.ReplaceAll(value, "$", "$$"))}}
}

func extracted(from, regex, into, value string) rule {
	return rule{section: "rewrite", definition: "Extract", fields: [][2]string{{"from", from}, {"regex", regex}, {"into", into}, {"value", value}}}
}

// extract sets a label from groups of the expression. All of them must lie in the
// part about one label, since a rule reads one.
func (t *translator) extract(s *Step, sel selection, parts []part, refs []int) outcome {
	if s.Target == nameLabel {
		return leave("the name that it gives depends on a value; schema.#RenameMetric gives a name that is known")
	}
	if len(sel.pieces) != len(s.Source) {
		return leave("it joins several labels into one value")
	}
	at, before := holder(sel.pieces, refs)
	if at < 0 {
		return leave("it joins several labels into one value")
	}
	label, piece := s.Source[at], regexp.MustCompile("^(?s:"+sel.pieces[at]+")$")
	switch {
	case label == nameLabel:
		return leave("no rule takes a part of a metric's name")
	case len(sel.pieces[at]) > maxPattern:
		return leave("its expression is longer than %d characters", maxPattern)
	}
	value := s.Replacement
	if len(s.Source) > 1 || slices.ContainsFunc(parts, func(p part) bool { return p.ref && p.group < 0 }) {
		value = shifted(parts, before)
	}
	if reason := t.readable(label, true); reason != "" {
		return leave("%s", reason)
	}
	others := slices.DeleteFunc(slices.Clone(sel.match), func(c condition) bool { return c.label == label })
	if reason := t.visible(others); reason != "" {
		return leave("%s", reason)
	}
	var o outcome
	if sel.pieces[at] != "" { // else it is only about series without the label
		r := extracted(label, sel.pieces[at], s.Target, value)
		r.match = others
		o.rules = []rule{r}
	} else if reason := t.readable(label, false); reason != "" {
		return leave("%s", reason)
	}
	if sel.differs != "" {
		o.differ = append(o.differ, sel.differs)
	}
	t.whenAbsent(&o, s, label, piece, value, others)
	return o
}

// holder finds the one piece in which all groups lie, and how many groups there are
// before it; -1 when there is none.
func holder(pieces []string, refs []int) (at, before int) {
	if len(pieces) == 1 {
		return 0, 0
	}
	for i, p := range pieces {
		n := regexp.MustCompile(p).NumSubexp()
		if slices.Min(refs) > before && slices.Max(refs) <= before+n {
			return i, before
		}
		before += n
	}
	return -1, 0
}

// whenAbsent adds what Prometheus does when the label is absent and the expression
// matches the empty text, for which an extract rule does nothing.
func (t *translator) whenAbsent(o *outcome, s *Step, label string, piece *regexp.Regexp, value string, others match) {
	groups := piece.FindStringSubmatchIndex("")
	if groups == nil {
		return
	}
	empty := string(piece.ExpandString(nil, value, "", groups))
	if empty == "" && label == s.Target {
		return // it is absent, and stays so
	}
	if t.readable(label, false) != "" {
		does := fmt.Sprintf("sets %s to %q", s.Target, empty)
		if empty == "" {
			does = "takes " + s.Target + " away"
		}
		o.differ = append(o.differ, fmt.Sprintf("Prometheus also %s where %s is absent", does, label))
		return
	}
	r := set(s.Target, empty)
	r.suffix = "absent"
	r.match = append(slices.Clone(others), condition{label, []string{""}})
	o.rules = append(o.rules, r) // after the other one, which would read what this one sets
}

func (t *translator) labelDrop(s *Step) outcome {
	list, ok := patterns(s.Regex)
	list = slices.DeleteFunc(list, func(p string) bool { return p == "" })
	switch {
	case !ok:
		return leave("its expression is longer than %d characters", maxPattern)
	case len(list) == 0:
		return outcome{differ: []string{"no label has an empty name, so there is no rule"}}
	}
	o := outcome{rules: []rule{{section: "rewrite", definition: "DropLabels", fields: [][2]string{{"labels", quoted(list)}}}}}
	if s.regex.MatchString(nameLabel) {
		o.differ = []string{"Prometheus also takes the name of the metric away"}
	}
	return o
}

// labelMap translates a copy of labels whose names are known.
func (t *translator) labelMap(s *Step) outcome {
	names, ok := patterns(s.Regex)
	if !ok || hasFlags.MatchString(s.Regex) {
		return leave("the names of the labels are not known, and a rule names those that it copies")
	}
	var o outcome
	var into []string
	for i, name := range names {
		if strings.ContainsAny(name, "*?") || strings.HasPrefix(name, "re:") {
			return leave("the names of the labels are not known, and a rule names those that it copies")
		}
		if name == nameLabel {
			return leave("no rule copies the name of a metric into a label")
		}
		if reason := t.readable(name, true); reason != "" {
			return leave("it copies %s: %s", name, reason)
		}
		to := s.regex.ReplaceAllString(name, s.Replacement)
		switch {
		case to == name:
			continue
		case !labelName.MatchString(to):
			return leave("it sets %s, and labels with such names do not exist here", to)
		case slices.Contains(into, to) || slices.Contains(names, to):
			return leave("it sets %s more than once, or from a label that it sets itself", to)
		}
		into = append(into, to)
		r := extracted(name, "(.*)", to, "$1")
		r.suffix = fmt.Sprint(i + 1)
		o.rules = append(o.rules, r)
	}
	return o
}

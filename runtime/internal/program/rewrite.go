package program

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/policy"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

// draft is a series while it is rewritten. It owns its labels.
type draft struct {
	name    string
	renamed bool // name does not depend on the series
	labels  metric.Labels
	scale   float64
	short   []ShortID
}

func (d *draft) set(label, value string) { d.labels = d.labels.Set(label, value) }

// rewrite is the effect of one rewrite rule.
type rewrite func(*draft)

// rewrites compiles the rewrites and transforms of all teams, in one order.
func (c *compiler) rewrites() {
	all := entries(nil, c.set, c.from, SectionRewrite, func(t *policy.Team) map[string]policy.Rewrite { return t.Rewrite },
		func(v policy.Rewrite) (rank, order int) { return 0, v.Order })
	all = entries(all, c.set, c.from, SectionTransform, func(t *policy.Team) map[string]policy.Transform { return t.Transform },
		func(v policy.Transform) (rank, order int) { return 0, v.Order })
	for _, e := range sorted(all, compareEntries) {
		if e.section == SectionRewrite {
			v := e.of.Rewrite[e.name]
			c.rewriteRule(&v, e)
		} else {
			v := e.of.Transform[e.name]
			c.transform(&v, e)
		}
	}
}

func (c *compiler) rewriteRule(v *policy.Rewrite, e *sectionEntry) {
	r := c.ordered(&v.Ordered, e, v.Action)
	if v.Action == "drop-labels" {
		r.drops = c.patterns(v.Labels, e.place, ".labels")
	}
	r.rewrite = c.rewrite(v, e.place, r.drops)
	r.touches = touches(v)
}

// rewrite compiles the effect of a rule. It keeps nothing of v but what it needs:
// there are thousands, of which each uses few of the fields.
func (c *compiler) rewrite(v *policy.Rewrite, at place, drops patterns) rewrite {
	switch v.Action {
	case "drop-labels":
		return dropLabels(drops)
	case "prefer-label":
		return preferLabel(v.Prefer, v.Over)
	case "rename-label":
		return renameLabel(v.From, v.To)
	case "rename-metric":
		return renameMetric(v.To)
	case "map-value":
		return mapValue(v.Label, v.Map, v.Otherwise == "drop-label")
	case "short-id":
		if v.Length < minDigits || v.Length > maxDigits {
			c.fail(diag.BadValue, at.in(".length"), fmt.Sprintf("an identifier cannot have %d digits", v.Length), "write a whole number from 8 to 32")
			return nil
		}
		return shortID(v.Label, v.Into, v.Length, v.Longer)
	case "table-name":
		return tableLabel(v.From, v.Into)
	case "extract":
		return c.extract(v, at)
	case "set-label":
		return setLabel(v.Label, v.Value)
	case "scale":
		return scale(v.Factor)
	}
	c.fail(diag.BadValue, at.in(".action"), fmt.Sprintf("there is no rewrite action %q", v.Action), "")
	return nil
}

// touches lists the labels that a rewrite names, for whatever it does with them.
func touches(v *policy.Rewrite) (names []string) {
	for _, name := range [...]string{v.Prefer, v.Over, v.Label, v.From, v.Into} {
		if name != "" {
			names = append(names, name)
		}
	}
	if v.Action == "rename-label" {
		names = append(names, v.To)
	}
	return names
}

func dropLabels(names patterns) rewrite {
	return func(d *draft) {
		d.labels = slices.DeleteFunc(d.labels, func(l metric.Label) bool { return names.match(l.Name) })
	}
}

func renameMetric(to string) rewrite {
	return func(d *draft) { d.name, d.renamed = to, true }
}

func setLabel(label, value string) rewrite {
	return func(d *draft) { d.set(label, value) }
}

func scale(factor float64) rewrite {
	return func(d *draft) { d.scale *= factor }
}

func preferLabel(prefer, over string) rewrite {
	return func(d *draft) {
		if d.labels.Get(prefer) != "" {
			d.set(over, "")
		}
	}
}

// renameLabel takes the place of a label that has the new name already.
func renameLabel(from, to string) rewrite {
	return func(d *draft) {
		if v := d.labels.Get(from); v != "" {
			d.set(from, "")
			d.set(to, v)
		}
	}
}

func mapValue(label string, table map[string]string, dropOthers bool) rewrite {
	return func(d *draft) {
		if v, ok := table[d.labels.Get(label)]; ok {
			d.set(label, v)
		} else if dropOthers {
			d.set(label, "")
		}
	}
}

// Lengths of an identifier, in hexadecimal digits.
const (
	minDigits = 8
	maxDigits = 32
)

// shortID gives a value the first digits of its SHA-256: the same everywhere and
// for ever, and with 12 digits one chance in 56,000 that any two of 100,000
// values meet.
func shortID(label, into string, length, longer int) rewrite {
	if into == "" {
		into = label
	}
	return func(d *draft) {
		v := d.labels.Get(label)
		if v == "" || utf8.RuneCountInString(v) <= longer {
			return
		}
		sum := sha256.Sum256([]byte(v))
		id := hex.EncodeToString(sum[:])[:length]
		d.set(into, id)
		d.short = append(d.short, ShortID{id, v})
	}
}

func tableLabel(from, into string) rewrite {
	return func(d *draft) {
		if table, ok := TableName(d.labels.Get(from)); ok {
			d.set(into, table)
		}
	}
}

func (c *compiler) extract(v *policy.Rewrite, at place) rewrite {
	p, err := c.pattern(expressionMark + v.Regex)
	if err != nil {
		c.fail(diag.BadPattern, at.in(".regex"), err.Error(), "write an RE2 expression that matches the whole value")
		return nil
	}
	return extract(p.re, v.From, v.Into, v.Value)
}

func extract(re *regexp.Regexp, from, into, template string) rewrite {
	return func(d *draft) {
		value := d.labels.Get(from)
		if groups := re.FindStringSubmatchIndex(value); value != "" && groups != nil {
			d.set(into, string(re.ExpandString(nil, template, value, groups)))
		}
	}
}

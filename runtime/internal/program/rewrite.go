package program

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	type placed struct {
		named[int] // its order
		section    string
		compile    func() rule
	}
	var all []placed
	for i := range c.set.Teams {
		t := &c.set.Teams[i]
		for name, v := range t.Rewrite {
			all = append(all, placed{named[int]{t.Name, name, v.Order}, SectionRewrite, func() rule {
				return c.rewriteRule(&named[policy.Rewrite]{t.Name, name, v})
			}})
		}
		for name, v := range t.Transform {
			all = append(all, placed{named[int]{t.Name, name, v.Order}, SectionTransform, func() rule {
				return c.transform(&named[policy.Transform]{t.Name, name, v})
			}})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(compareOrdered(&a.named, &b.named, a.value, b.value), cmp.Compare(a.section, b.section))
	})
	for _, e := range all {
		r := e.compile()
		if r.transform != nil {
			r.transform.Rule = int32(len(c.rules))
		}
		c.rules = append(c.rules, r)
	}
}

func (c *compiler) rewriteRule(e *named[policy.Rewrite]) rule {
	v, path := &e.value, c.path(e.team, SectionRewrite, e.name)
	r := c.ordered(&v.Ordered, e.team, SectionRewrite, e.name, v.Action)
	r.rewrite = c.rewrite(v, path)
	r.touches = touches(v)
	if v.Action == "drop-labels" {
		r.drops, _ = newPatterns(v.Labels) // what is wrong with them has been reported
	}
	return r
}

func (c *compiler) rewrite(v *policy.Rewrite, path string) rewrite {
	switch v.Action {
	case "drop-labels":
		return dropLabels(c.patterns(v.Labels, path+".labels"))
	case "prefer-label":
		return preferLabel(v.Prefer, v.Over)
	case "rename-label":
		return renameLabel(v.From, v.To)
	case "rename-metric":
		return func(d *draft) { d.name, d.renamed = v.To, true }
	case "map-value":
		return mapValue(v.Label, v.Map, v.Otherwise == "drop-label")
	case "short-id":
		if v.Length < minDigits || v.Length > maxDigits {
			c.fail(diag.BadValue, path+".length", fmt.Sprintf("an identifier cannot have %d digits", v.Length), "write a whole number from 8 to 32")
			return nil
		}
		return shortID(v.Label, v.Into, v.Length, v.Longer)
	case "table-name":
		return tableLabel(v.From, v.Into)
	case "extract":
		return c.extract(v, path)
	case "set-label":
		return func(d *draft) { d.set(v.Label, v.Value) }
	case "scale":
		return func(d *draft) { d.scale *= v.Factor }
	}
	c.fail(diag.BadValue, path+".action", fmt.Sprintf("there is no rewrite action %q", v.Action), "")
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

func (c *compiler) extract(v *policy.Rewrite, path string) rewrite {
	re, err := compileWhole(v.Regex)
	if err != nil {
		c.fail(diag.BadPattern, path+".regex", err.Error(), "write an RE2 expression that matches the whole value")
		return nil
	}
	return func(d *draft) {
		value := d.labels.Get(v.From)
		if groups := re.FindStringSubmatchIndex(value); value != "" && groups != nil {
			d.set(v.Into, string(re.ExpandString(nil, v.Value, value, groups)))
		}
	}
}

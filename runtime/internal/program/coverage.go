package program

import "slices"

// Coverage is which rules of a program its tests exercise.
type Coverage struct {
	Sections []SectionCoverage // those that have rules in force, in the order of evaluation
	Unused   []int32           // rules in force that no test exercises, as indexes into Program.Rules
}

// SectionCoverage counts the rules of one section.
type SectionCoverage struct {
	Section   string
	Rules     int // in force
	Exercised int // of them, by a test
}

// Cover works out what the results of tests cover. Rules that are not in force
// cannot be exercised and do not count.
func (p *Program) Cover(results []TestResult) Coverage {
	used := make([]bool, len(p.rules))
	for _, r := range results {
		for _, i := range r.Covered {
			used[i] = true
		}
	}
	var c Coverage
	for i := range p.rules {
		r := &p.rules[i]
		if r.Inert != "" {
			continue
		}
		at := slices.IndexFunc(c.Sections, func(s SectionCoverage) bool { return s.Section == r.Section })
		if at < 0 {
			at = len(c.Sections)
			c.Sections = append(c.Sections, SectionCoverage{Section: r.Section})
		}
		c.Sections[at].Rules++
		if used[i] {
			c.Sections[at].Exercised++
		} else {
			c.Unused = append(c.Unused, int32(i))
		}
	}
	return c
}

// Percent is the share of the rules in force that tests exercise, 100 when there
// is none.
func (c *Coverage) Percent() float64 {
	rules, exercised := 0, 0
	for _, s := range c.Sections {
		rules += s.Rules
		exercised += s.Exercised
	}
	if rules == 0 {
		return 100
	}
	return 100 * float64(exercised) / float64(rules)
}

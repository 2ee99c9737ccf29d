package plugins

import (
	"path"
	"slices"

	"github.com/sluice-metrics/sluice/plugins/abi"
)

// grant is what a manifest lets a plugin see and change, with answers remembered
// for the strings of one batch.
type grant struct {
	needs  abi.Needs
	writes abi.Writes
	marks  []mark // by number of string
}

// mark holds two bits for each question: asked, and the answer.
type mark uint8

const (
	seenKey mark = 1 << (2 * iota)
	writtenKey
	wellFormed
	seenName
)

func newGrant(m abi.Manifest) grant { return grant{needs: m.Needs, writes: m.Writes} }

// narrow tells whether part of a batch is kept from the plugin.
func (g *grant) narrow() bool {
	return len(g.needs.Names) > 0 || !slices.Contains(g.needs.Labels, "*")
}

// reset forgets what was asked, for a batch of n strings.
func (g *grant) reset(n int) {
	g.marks = slices.Grow(g.marks[:0], n)[:n]
	clear(g.marks)
}

func (g *grant) ask(id uint32, question mark, s string, answer func(*grant, string) bool) bool {
	m := g.marks[id]
	if m&question == 0 {
		m |= question
		if answer(g, s) {
			m |= question << 1
		}
		g.marks[id] = m
	}
	return m&(question<<1) != 0
}

// known tells whether all of some questions were asked, and answered with yes.
func (g *grant) known(id uint32, questions mark) bool {
	return g.marks[id]&(questions<<1) == questions<<1
}

// key tells whether the plugin sees labels of this name.
func (g *grant) key(id uint32, s string) bool {
	return g.ask(id, seenKey, s, func(g *grant, s string) bool { return lists(g.needs.Labels, s) })
}

// name tells whether the plugin sees series of this name.
func (g *grant) name(id uint32, s string) bool {
	return g.ask(id, seenName, s, func(g *grant, s string) bool {
		return len(g.needs.Names) == 0 || slices.ContainsFunc(g.needs.Names, func(glob string) bool {
			ok, _ := path.Match(glob, s)
			return ok
		})
	})
}

// label tells whether the plugin may set and take away labels of this name.
func (g *grant) label(id uint32, s string) bool {
	return g.ask(id, writtenKey, s, func(g *grant, s string) bool { return lists(g.writes.Labels, s) })
}

// grammar tells whether a string is the name of a label.
func (g *grant) grammar(id uint32, s string) bool {
	return g.ask(id, wellFormed, s, func(_ *grant, s string) bool { return isLabelName(s) })
}

func lists(names []string, s string) bool {
	return slices.Contains(names, "*") || slices.Contains(names, s)
}

// within returns those of some labels that a list has.
func within(labels, list []string) []string {
	return slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return !lists(list, l) })
}

func isLabelName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

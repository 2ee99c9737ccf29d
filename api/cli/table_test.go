package cli

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTablesFit(t *testing.T) {
	g := grid{named: true, figures: []int{1}, rows: [][]string{
		{"WHO", "SERIES", "WHY"},
		{"ann", "7", "the store is being moved to another rack"},
		{"the nightly check", "1234", "-"},
	}}
	for _, tt := range []struct {
		most int
		want string
	}{
		{0, `
WHO                SERIES  WHY
ann                     7  the store is being moved to another rack
the nightly check    1234  -
`},
		{46, `
WHO                SERIES  WHY
ann                     7  the store is being
                           moved to another
                           rack
the nightly check    1234  -
`},
		{27, `
WHO      SERIES  WHY
ann           7  the store
                 is being
                 moved to
                 another
                 rack
the        1234  -
nightly
check
`},
		{22, `
WHO     ann
SERIES  7
WHY     the store is
        being moved to
        another rack

WHO     the nightly
        check
SERIES  1234
WHY     -
`},
	} {
		if diff := cmp.Diff(tt.want, "\n"+g.text(tt.most)); diff != "" {
			t.Errorf("%d columns:\n%s", tt.most, diff)
		}
	}
}

// Sections have rows of any length: the last cell of one moves no column, and a row of
// one cell ends the columns above it.
func TestSectionsFit(t *testing.T) {
	g := grid{rows: [][]string{
		{"> platform", "orders/keep", "matches"},
		{"= kept, since nothing else has decided about it before"},
		{"    field", "a value", "policy.cue:3:1"},
	}}
	for _, tt := range []struct {
		most int
		want string
	}{
		{0, `
control   > platform  orders/keep  matches
          = kept, since nothing else has decided about it before
              field  a value  policy.cue:3:1
`},
		{50, `
control   > platform  orders/keep  matches
          = kept, since nothing else has decided
          about it before
              field  a value  policy.cue:3:1
`},
		{32, `
control   > platform
              orders/keep
              matches
          = kept, since nothing
          else has decided about
          it before
              field
                  a value
                  policy.cue:3:1
`},
	} {
		if diff := cmp.Diff(tt.want, "\n"+g.under("control", 10, tt.most)); diff != "" {
			t.Errorf("%d columns:\n%s", tt.most, diff)
		}
	}
}

// A series can be copied as it stands: only what would leave its column is broken.
func TestLongWords(t *testing.T) {
	series := "flink_taskmanager_job_task_operator_numRecordsIn{torrent_task_id=\"t-1\"}"
	alone := grid{rows: [][]string{{"as " + series}}}
	if diff := cmp.Diff("out  as\n     "+series+"\n", alone.under("out", 5, 40)); diff != "" {
		t.Error(diff)
	}
	beside := grid{rows: [][]string{{"as", series, "gauge"}}}
	if diff := cmp.Diff("as  "+series[:60]+"  gauge\n    "+series[60:]+"\n", beside.text(71)); diff != "" {
		t.Error(diff)
	}
}

// Whatever the cells and the terminal, lines fit where words do, and nothing is lost.
func TestTablesLoseNothing(t *testing.T) {
	letters := func(text string) []rune {
		return slices.Sorted(slices.Values([]rune(strings.Join(strings.Fields(text), ""))))
	}
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(` {0,4}([a-zé]{1,9} {1,2}){0,5}[a-zé]{1,9}`)
		columns := rapid.IntRange(1, 5).Draw(t, "columns")
		g := grid{rows: rapid.SliceOfN(rapid.SliceOfN(cell, 1, columns), 1, 6).Draw(t, "rows")}
		most := rapid.IntRange(24, 100).Draw(t, "most") // room for each word, and what it may be set back
		drawn := g.draw(most)
		for i, row := range g.rows {
			for line := range strings.SplitSeq(drawn[i], "\n") {
				if n := utf8.RuneCountInString(line); n > most {
					t.Fatalf("%d characters, and at most %d: %q", n, most, line)
				}
			}
			if want, got := letters(strings.Join(row, "")), letters(drawn[i]); !slices.Equal(want, got) {
				t.Fatalf("%q is drawn as %q", row, drawn[i])
			}
		}
	})
}

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// grid is rows of cells that are drawn in columns. The last cell of a row belongs to no
// column: however long it is, it moves nothing in other rows.
type grid struct {
	named   bool       // the first row has the names of the columns
	rows    [][]string // a cell may begin with spaces, which set it back
	figures []int      // columns that are aligned on the right, and not wrapped
}

// table writes a list in columns, or what to say of an empty one. The names of the columns
// are divided by tabs.
func table[T any](out io.Writer, names, empty string, list []T, row func(*T) []string, figures ...int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, empty)
		return err
	}
	g := grid{named: true, rows: [][]string{strings.Split(names, "\t")}, figures: figures}
	for i := range list {
		g.rows = append(g.rows, row(&list[i]))
	}
	_, err := io.WriteString(out, g.text(columnsOf(out)))
	return err
}

// text draws the grid; see draw.
func (g *grid) text(most int) string { return strings.Join(g.draw(most), "\n") + "\n" }

// under draws the grid beside a name, which the first line has, at an indent.
func (g *grid) under(name string, indent, most int) string {
	if most > 0 {
		most = max(most-indent, 1)
	}
	var b strings.Builder
	for line := range strings.Lines(g.text(most)) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s%s", indent, name, line), " \n") + "\n")
		name = ""
	}
	return b.String()
}

// draw returns the text of each row, in lines of at most so many characters; 0: as long as
// they are. What does not fit is wrapped within its column, between words, in the widest
// columns first. When that is not enough, each row becomes a block with a line for each
// cell, and the row with the names is left out.
func (g *grid) draw(most int) []string {
	rows := g.cleaned()
	limits, ok := g.fit(rows, most)
	if !ok {
		return g.blocks(rows, most)
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, columnGap, ' ', 0)
	heights := make([]int, len(rows))
	for i, row := range rows {
		lines := make([][]string, 1)
		for c, cell := range row {
			for k, text := range wrapped(cell, limits[c], len(row) > 1) {
				if k == len(lines) {
					lines = append(lines, nil)
				}
				for len(lines[k]) < c {
					lines[k] = append(lines[k], "")
				}
				lines[k] = append(lines[k], text)
			}
		}
		heights[i] = len(lines)
		for _, line := range lines {
			for len(line) < len(row) {
				line = append(line, "")
			}
			fmt.Fprintln(w, strings.Join(line, "\t"))
		}
	}
	if err := w.Flush(); err != nil {
		panic(fmt.Sprintf("memory takes what is written: %v", err))
	}
	lines := strings.Split(b.String(), "\n")
	out := make([]string, len(rows))
	for i, n := range heights {
		for k := range lines[:n] {
			lines[k] = strings.TrimRight(lines[k], " ")
		}
		out[i], lines = strings.Join(lines[:n], "\n"), lines[n:]
	}
	return out
}

const (
	columnGap   = 2  // spaces between columns
	longestWord = 40 // characters that a column is not narrowed below, to keep a word whole
)

// cleaned returns the rows with nothing in them that acts on a terminal or leaves its
// cell, and with figures aligned.
func (g *grid) cleaned() [][]string {
	rows := make([][]string, len(g.rows))
	for i, row := range g.rows {
		for _, cell := range row {
			rows[i] = append(rows[i], printable(strings.ReplaceAll(cell, "\n", " ")))
		}
	}
	for _, c := range g.figures {
		var column []string
		for _, row := range rows {
			column = append(column, row[c])
		}
		for i, text := range aligned(column...) {
			rows[i][c] = text
		}
	}
	return rows
}

// fit returns how wide each column may be so that every line has at most so many
// characters, and whether that is possible.
func (g *grid) fit(rows [][]string, most int) (limits []int, ok bool) {
	var columns, least []int // the width of each column, and of the longest word in it
	for _, row := range rows {
		for c, cell := range row {
			if c == len(limits) {
				limits, columns, least = append(limits, 0), append(columns, 0), append(least, 0)
			}
			width := utf8.RuneCountInString(cell)
			limits[c] = max(limits[c], width)
			if c < len(row)-1 {
				columns[c] = max(columns[c], width)
			}
			if slices.Contains(g.figures, c) {
				least[c] = max(least[c], width)
			} else {
				least[c] = max(least[c], min(wordWidth(cell), longestWord))
			}
		}
	}
	for most > 0 {
		narrowed := false
		for _, row := range rows {
			length, widest, width := -columnGap, -1, 0
			for c, cell := range row {
				takes := min(columns[c], limits[c])
				if c == len(row)-1 {
					takes = min(utf8.RuneCountInString(cell), limits[c])
				}
				length += takes + columnGap
				if takes > width && takes > least[c] {
					widest, width = c, takes
				}
			}
			if length <= most {
				continue
			}
			if widest < 0 {
				return nil, false
			}
			narrowed, limits[widest] = true, width-1
		}
		if !narrowed {
			break
		}
	}
	return limits, true
}

// wordWidth is how wide the longest word of a cell is, with what the cell is set back.
func wordWidth(cell string) (width int) {
	for _, word := range strings.Fields(cell) {
		width = max(width, utf8.RuneCountInString(word))
	}
	return width + setBack(cell)
}

// setBack is how many spaces a cell begins with.
func setBack(cell string) int { return len(cell) - len(strings.TrimLeft(cell, " ")) }

// blocks draws each row in lines of its own.
func (g *grid) blocks(rows [][]string, most int) (out []string) {
	if !g.named {
		for _, row := range rows {
			var lines []string
			for c, cell := range row {
				if c > 0 {
					cell = strings.Repeat(" ", setBack(row[0])+2*columnGap) + strings.TrimLeft(cell, " ")
				}
				lines = append(lines, wrapped(cell, most, false)...)
			}
			out = append(out, strings.Join(lines, "\n"))
		}
		return out
	}
	names, indent := rows[0], 0
	for _, name := range names {
		indent = max(indent, utf8.RuneCountInString(strings.TrimSpace(name))+columnGap)
	}
	for i, row := range rows[1:] {
		var lines []string
		if i > 0 {
			lines = append(lines, "")
		}
		for c, cell := range row {
			for k, text := range wrapped(strings.TrimSpace(cell), max(most-indent, 1), false) {
				name := ""
				if k == 0 {
					name = strings.TrimSpace(names[c])
				}
				lines = append(lines, strings.TrimRight(fmt.Sprintf("%-*s%s", indent, name, text), " "))
			}
		}
		out = append(out, strings.Join(lines, "\n"))
	}
	return out
}

// wrapped divides a text into lines of at most so many characters, between words; a word
// that is longer has a line of its own, or is broken where it would leave its column. All
// lines are set back as the first one is.
func wrapped(text string, most int, breaks bool) []string {
	indent := strings.Repeat(" ", setBack(text))
	if len(indent) >= most {
		indent = ""
	}
	var out []string
	rest := []rune(strings.TrimLeft(text, " "))
	for room := max(most-len(indent), 1); len(rest) > room; {
		at := room
		for at > 0 && rest[at] != ' ' {
			at--
		}
		if at == 0 {
			word := slices.Index(append(rest[:len(rest):len(rest)], ' '), ' ')
			if at = word; breaks {
				at = room
			}
		}
		out = append(out, indent+strings.TrimRight(string(rest[:at]), " "))
		rest = []rune(strings.TrimLeft(string(rest[at:]), " "))
	}
	if len(rest) > 0 || len(out) == 0 {
		out = append(out, indent+string(rest))
	}
	return out
}

// hanging breaks a text that begins at an indent where lines of so many columns end, and
// goes on at the indent. 0 columns: it stays one line.
func hanging(text string, indent, columns int) string {
	if columns <= indent {
		return text
	}
	return strings.Join(wrapped(text, columns-indent, false), "\n"+strings.Repeat(" ", indent))
}

// aligned pads texts on the left to one width, as columns of numbers are.
func aligned(texts ...string) []string {
	width := 0
	for _, text := range texts {
		width = max(width, utf8.RuneCountInString(text))
	}
	for i, text := range texts {
		texts[i] = strings.Repeat(" ", width-utf8.RuneCountInString(text)) + text
	}
	return texts
}

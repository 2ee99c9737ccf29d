package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// diffContext is how many unchanged lines a hunk shows on either side.
const diffContext = 3

// hunk is a run of lines that change: the old ones from and to a number from 0,
// and the new ones.
type hunk struct {
	from, to int
	new      []string
}

// Diff writes the edit as a unified diff, with name for the file.
func (f *FileEdit) Diff(name string) string {
	old := lines(f.Old)
	hunks := f.hunks(old)
	if len(hunks) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", name, name)
	shift := 0
	for len(hunks) > 0 {
		n := 1 // hunks that are shown as one
		for n < len(hunks) && hunks[n].from-hunks[n-1].to <= 2*diffContext {
			n++
		}
		shift = writeHunk(&b, old, hunks[:n], shift)
		hunks = hunks[n:]
	}
	return b.String()
}

// hunks groups the splices by the lines they touch, without the lines that stay.
func (f *FileEdit) hunks(old []string) (out []hunk) {
	number := func(offset int) int { return bytes.Count(f.Old[:offset], []byte("\n")) }
	for i := 0; i < len(f.splices); {
		first, last := number(f.splices[i].from), 0
		j := i
		for ; j < len(f.splices) && (j == i || number(f.splices[j].from) <= last); j++ {
			last = max(last, number(f.splices[j].to))
		}
		from, to := f.lineStart(f.splices[i].from), len(f.Old)
		if end := bytes.IndexByte(f.Old[f.splices[j-1].to:], '\n'); end >= 0 {
			to = f.splices[j-1].to + end + 1
		}
		h := hunk{first, min(last+1, len(old)), lines(f.between(from, to, f.splices[i:j]))}
		for h.from < h.to && len(h.new) > 0 && old[h.from] == h.new[0] {
			h.from, h.new = h.from+1, h.new[1:]
		}
		for h.from < h.to && len(h.new) > 0 && old[h.to-1] == h.new[len(h.new)-1] {
			h.to, h.new = h.to-1, h.new[:len(h.new)-1]
		}
		if h.from < h.to || len(h.new) > 0 {
			out = append(out, h)
		}
		i = j
	}
	return out
}

// lines cuts a text after each line break.
func lines(text []byte) []string {
	return slices.Collect(strings.Lines(string(text)))
}

// writeHunk writes hunks that are close to each other as one. shift is by how many
// lines the new file is longer before them; it returns that behind them.
func writeHunk(b *strings.Builder, old []string, hunks []hunk, shift int) int {
	from, to := max(hunks[0].from-diffContext, 0), min(hunks[len(hunks)-1].to+diffContext, len(old))
	grown := 0
	for _, h := range hunks {
		grown += len(h.new) - (h.to - h.from)
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", from+1, to-from, from+1+shift, to-from+grown)
	line := func(mark byte, text string) {
		b.WriteByte(mark)
		b.WriteString(strings.TrimSuffix(text, "\n"))
		b.WriteByte('\n')
		if !strings.HasSuffix(text, "\n") {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
	at := from
	for _, h := range hunks {
		for ; at < h.from; at++ {
			line(' ', old[at])
		}
		for ; at < h.to; at++ {
			line('-', old[at])
		}
		for _, text := range h.new {
			line('+', text)
		}
	}
	for ; at < to; at++ {
		line(' ', old[at])
	}
	return shift + grown
}

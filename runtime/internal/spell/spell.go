// Package spell guesses the word that somebody meant. It knows nothing of what
// words are for, and of no language.
package spell

import (
	"slices"
	"strings"
)

// Near returns the word that is least far from a pattern: by letters to insert,
// remove, replace or swap with a neighbour, where * stands for any text and ? for
// any letter. It is "" when all are further than most.
func Near(pattern string, words []string, most int) (word string) {
	far := most + 1
	var t table
	for _, w := range words {
		if d := t.distance(pattern, w, far); d < far {
			word, far = w, d
		}
	}
	return word
}

// NearBeginning returns the word that the beginning of a pattern is least far from,
// or "" when all are further than most.
func NearBeginning(pattern string, words []string, most int) (word string) {
	far := most + 1
	var t table
	for _, w := range words {
		if d := t.distance(pattern[:min(len(pattern), len(w))], w, far); d < far {
			word, far = w, d
		}
	}
	return word
}

// maxGuess is how long a word may be for Nearest.
const maxGuess = 64

// Nearest returns the one of words that is most likely meant by s, or "" when
// none is near: up to a third of the letters may differ, whether large or small,
// or else one is the beginning of the other. It never is s itself.
func Nearest(s string, words []string) string {
	if len(s) > maxGuess {
		return ""
	}
	best, far := "", max(1, len(s)/3)+1
	var t table
	for _, w := range words {
		if d := t.distance(strings.ToLower(s), strings.ToLower(w), far); w != s && d < far {
			best, far = w, d
		}
	}
	for _, w := range words {
		if best == "" && w != s && min(len(s), len(w)) >= 3 && (strings.HasPrefix(w, s) || strings.HasPrefix(s, w)) {
			best = w
		}
	}
	return best
}

// table is room for the rows of a distance.
type table [3][]int

// distance is how far w is from the pattern p, or limit when it is as far or further.
func (t *table) distance(p, w string, limit int) int {
	stars := strings.Count(p, "*")
	if len(p)-stars-len(w) >= limit || stars == 0 && len(w)-len(p) >= limit {
		return limit
	}
	for p != "" && w != "" && p[0] == w[0] && p[0] != '*' {
		p, w = p[1:], w[1:]
	}
	// Rows of the table, by letters of p; the columns are letters of w.
	for i := range t {
		t[i] = slices.Grow(t[i][:0], len(w)+1)[:len(w)+1]
	}
	before, last, row := t[0], t[1], t[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(p); i++ {
		star := p[i-1] == '*'
		row[0] = last[0] + 1
		if star {
			row[0] = last[0]
		}
		least := row[0]
		for j := 1; j <= len(w); j++ {
			switch {
			case star:
				row[j] = min(last[j], row[j-1])
			case p[i-1] == w[j-1] || p[i-1] == '?':
				row[j] = last[j-1]
			default:
				row[j] = 1 + min(last[j-1], last[j], row[j-1])
				if i > 1 && j > 1 && p[i-1] == w[j-2] && p[i-2] == w[j-1] {
					row[j] = min(row[j], before[j-2]+1)
				}
			}
			least = min(least, row[j])
		}
		if least >= limit {
			return limit
		}
		before, last, row = last, row, before
	}
	return min(last[len(w)], limit)
}

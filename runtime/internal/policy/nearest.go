package policy

import "strings"

// Nearest returns the one of words that is most likely meant by s, or "" when
// none is near.
func Nearest(s string, words []string) string { return nearest(s, words) }

// nearest returns the one of words that is most likely meant by s, or "" when
// none is near: up to a third of the letters may differ, or else one is the
// beginning of the other.
func nearest(s string, words []string) string {
	if len(s) > 64 {
		return ""
	}
	best, least := "", max(1, len(s)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(s), strings.ToLower(w)); w != s && d < least {
			best, least = w, d
		}
	}
	for _, w := range words {
		if best == "" && w != s && min(len(s), len(w)) >= 3 && (strings.HasPrefix(w, s) || strings.HasPrefix(s, w)) {
			best = w
		}
	}
	return best
}

// distance is the number of letters to insert, remove, replace, or swap with a
// neighbour to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Command mask-users is a plugin that takes the ids of users out of labels, and keeps
// series apart: every id becomes a short digest of it.
package main

import (
	"strings"

	sluice "github.com/sluice-metrics/sluice/plugins/sdk/go"
)

var plugin = sluice.Register(func(c *sluice.Config) sluice.Transform {
	var keys []*sluice.Key
	for _, name := range c.Strings("labels") {
		keys = append(keys, sluice.NewKey(name))
	}
	salt := c.String("salt")
	masked := sluice.NewMapping(func(v string) string { return mask(v, salt) })
	return sluice.Each(func(r *sluice.Record) {
		for _, k := range keys {
			r.MapLabel(k, masked)
		}
	})
})

func main() {}

// mask replaces what may be the id of a user in a text: addresses of mail, UUIDs, and
// runs of six digits or more.
func mask(text, salt string) string {
	var out strings.Builder
	done := 0
	for at := 0; at < len(text); {
		if !inWord(text[at]) {
			at++
			continue
		}
		end := at
		for end < len(text) && inWord(text[end]) {
			end++
		}
		if isUser(text[at:end]) {
			out.WriteString(text[done:at])
			out.WriteString(digest(salt, text[at:end]))
			done = end
		}
		at = end
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// inWord tells whether a byte can be in an id: letters, digits, and what mail has
// between them. UTF-8 beyond ASCII counts as letters.
func inWord(c byte) bool {
	return c >= 0x80 || isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("@.+-", c) >= 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isUser(word string) bool {
	if at := strings.IndexByte(word, '@'); at > 0 && at < len(word)-1 {
		return true
	}
	if len(word) == 36 && strings.Count(word, "-") == 4 && isHex(strings.ReplaceAll(word, "-", "")) {
		return true
	}
	run := 0
	for i := range len(word) {
		if run++; !isDigit(word[i]) {
			run = 0
		}
		if run == 6 {
			return true
		}
	}
	return false
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

// digest is 40 bits of FNV-1a as text: few enough not to be looked up without the
// salt, enough to keep a million users apart.
func digest(salt, id string) string {
	h := uint64(14695981039346656037)
	for _, s := range []string{salt, "\x00", id} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
	}
	h ^= h >> 40
	var out [13]byte
	copy(out[:], "user-")
	for i := range 8 {
		out[5+i] = "abcdefghjkmnpqrstuvwxyz023456789"[h>>(5*i)&31]
	}
	return string(out[:])
}

package runtime

import "github.com/sluice-metrics/sluice/runtime/internal/spell"

// Nearest returns the one of words that somebody most likely meant by s, or "" when
// none is near.
func Nearest(s string, words []string) string { return spell.Nearest(s, words) }

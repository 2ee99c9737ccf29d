package diag

import "slices"

// Help teaches what a code means. Bad and Good are what an author writes: a part of
// a policy file below its head, or several files, each begun by "-- name --".
type Help struct {
	Code  Code   `json:"code"`
	Title string `json:"title"` // a few words
	Text  string `json:"text"`  // why it is wrong, and what to do
	Bad   string `json:"bad"`
	Good  string `json:"good"`
}

// Codes returns the help for every code, in order of code.
func Codes() []Help {
	return slices.Concat(fileHelp, shapeHelp, meaningHelp, mergingHelp, pluginHelp, analysisHelp, instanceHelp)
}

// Lookup returns the help for a code; ok is false for an unknown one.
func Lookup(code Code) (h Help, ok bool) {
	for _, h := range Codes() {
		if h.Code == code {
			return h, true
		}
	}
	return Help{}, false
}

package policy

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// match looks at the patterns of a selector, which may be nil.
func (c *checker) match(m *Match, path ...string) {
	if m == nil {
		return
	}
	at := func(field ...string) []string { return append(path[:len(path):len(path)], field...) }
	c.patterns(m.Tasks, at("tasks")...)
	c.nameGlobs(m.Metrics, "metric", at("metrics")...)
	for _, name := range sorted(m.Labels) {
		c.patterns(m.Labels[name], at("labels", name)...)
	}
	for _, name := range sorted(m.Tags) {
		c.patterns(m.Tags[name], at("tags", name)...)
	}
}

// regexPrefix marks a pattern that is an RE2 expression rather than a glob.
const regexPrefix = "re:"

func (c *checker) patterns(patterns []string, path ...string) {
	for i, p := range patterns {
		if expr, ok := strings.CutPrefix(p, regexPrefix); ok {
			c.regex(expr, append(path[:len(path):len(path)], strconv.Itoa(i))...)
		}
	}
}

// nameGlobs are patterns for names of metrics or labels, which have few characters.
func (c *checker) nameGlobs(patterns []string, what string, path ...string) {
	c.patterns(patterns, path...)
	for i, p := range patterns {
		at := strings.IndexFunc(p, func(r rune) bool {
			return r != '*' && r != '?' && r != '_' && r != ':' && (r > 'z' || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		})
		if at < 0 || strings.HasPrefix(p, regexPrefix) {
			continue
		}
		r, _ := utf8.DecodeRuneInString(p[at:])
		c.add(diag.NeverMatches, fmt.Sprintf("no name of a %s has %q in it, so this matches nothing", what, r),
			"only * and ? are special; a regular expression begins with re:", append(path[:len(path):len(path)], strconv.Itoa(i))...)
		c.out[len(c.out)-1].Severity = diag.Warning
	}
}

// regex compiles an expression and returns it, or nil when RE2 refuses it.
func (c *checker) regex(expr string, path ...string) *regexp.Regexp {
	re, err := regexp.Compile(expr)
	if err == nil {
		return re
	}
	why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	c.add(diag.BadPattern, "not a regular expression of RE2: "+why, "", path...)
	return nil
}

// group finds $1, ${1}, $name and ${name} in a template, as regexp.Expand does.
var group = regexp.MustCompile(`\$(?:\$|([a-zA-Z0-9_]+)|\{([a-zA-Z0-9_]+)\})`)

// extract looks at the expression of an extract, and at the groups its value uses.
func (c *checker) extract(r Rewrite, name string) {
	re := c.regex(r.Regex, "rewrite", name, "regex")
	if re == nil {
		return
	}
	for _, m := range group.FindAllStringSubmatch(r.Value, -1) {
		ref := m[1] + m[2]
		n, err := strconv.Atoi(ref)
		switch {
		case ref == "", err == nil && n <= re.NumSubexp(), err != nil && re.SubexpIndex(ref) >= 0:
			continue
		}
		at := "value"
		if len(c.tree().find([]string{"rewrite", name, at})) == 0 {
			at = "regex" // the value is the default, "$1"
		}
		c.add(diag.BadGroup, fmt.Sprintf("the regex has no group %s", ref),
			fmt.Sprintf("it has %d; a group is (…) or (?P<name>…), and ${1}x is group 1 before x", re.NumSubexp()),
			"rewrite", name, at)
	}
}

// day reads a calendar day; ok is false when there is none.
func (c *checker) day(text string, path ...string) (day time.Time, ok bool) {
	if text == "" {
		return day, false
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		c.add(diag.BadQuantity, fmt.Sprintf("there is no day %s", text), "", path...)
		return day, false
	}
	return day, true
}

// duration looks at a duration that the schema has let through.
func (c *checker) duration(text string, least time.Duration, path ...string) {
	field := path[len(path)-1]
	switch d, err := ParseDuration(text); {
	case err != nil:
		c.add(diag.BadQuantity, fmt.Sprintf("%s: %v", field, err), "", path...)
	case d < least:
		c.add(diag.BadQuantity, fmt.Sprintf("%s must be at least %s", field, least), "", path...)
	}
}

// sinks looks at durations, addresses and credentials.
func (c *checker) sinks() {
	for _, name := range sorted(c.team.Sink) {
		s := c.team.Sink[name]
		switch s.Type {
		case "remote-write":
			c.duration(s.Timeout, time.Millisecond, "sink", name, "timeout")
			c.remoteWrite(s, name)
		case "scrape":
			c.duration(s.Stale, time.Second, "sink", name, "stale")
			c.scrapePath(s.Path, name)
		case "store":
			c.duration(s.Retention, time.Minute, "sink", name, "retention")
			c.duration(s.OutOfOrder, 0, "sink", name, "outOfOrder")
		}
	}
}

// scrapePath refuses the paths on which the HTTP endpoint has pages of its own.
func (c *checker) scrapePath(served, name string) {
	clean := path.Clean(served)
	switch first, _, _ := strings.Cut(clean[1:], "/"); {
	case first == "api", first == "prometheus":
	case clean == "/", clean == "/metrics", clean == "/healthz", clean == "/readyz":
	default:
		return
	}
	c.add(diag.PathTaken, "Sluice itself answers on "+served, "use another path, such as /metrics/"+name, "sink", name, "path")
}

func (c *checker) remoteWrite(s Sink, name string) {
	switch u, err := url.Parse(s.URL); {
	case err != nil:
		c.add(diag.BadQuantity, "url is not an address", "", "sink", name, "url")
	case u.User != nil:
		c.add(diag.SecretInline, "url: an address does not hold a user or a password",
			"use basic: {user: …, password: \"env://NAME\"}", "sink", name, "url")
	}
	if s.Basic != nil && s.Bearer != "" {
		c.add(diag.Credentials, "basic and bearer exclude each other", "remove one of them", "sink", name, "bearer")
	}
	for _, header := range sorted(s.Headers) {
		switch value := s.Headers[header]; {
		case strings.EqualFold(header, "Authorization"):
			c.add(diag.Credentials, "the header Authorization is set by basic or bearer", "use one of them", "sink", name, "headers", header)
		case isReference(value) || !tellingHeader.MatchString(header):
		default:
			c.add(diag.SecretInline, "headers: "+header+" looks like a secret; a secret is given by reference",
				"write \"env://NAME\" or \"file:///path\"", "sink", name, "headers", header)
		}
	}
}

// tellingHeader matches names of headers whose values are usually secrets.
var tellingHeader = regexp.MustCompile(`(?i)(token|secret|password|passwd|credential|cookie|auth|api-?key)`)

func isReference(s string) bool {
	return strings.HasPrefix(s, "env://") || strings.HasPrefix(s, "file:///")
}

package plugins

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// lineLimit lets so many lines of log through in a second.
type lineLimit struct {
	mu     sync.Mutex
	from   time.Time
	passed int
	left   uint64 // out since a line passed
}

// muted tells whether a line would be left out, and counts it then.
func (p *Plugin) muted() bool {
	l := &p.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.options.Log != nil && (l.passed < p.limits.Lines || time.Since(l.from) >= time.Second) {
		return false
	}
	l.left++
	p.counts.lines.Add(1)
	return true
}

// say passes on a line of the plugin's, within its limit.
func (p *Plugin) say(level slog.Level, line string) {
	l := &p.lines
	l.mu.Lock()
	if now := time.Now(); now.Sub(l.from) >= time.Second {
		l.from, l.passed = now, 0
	}
	pass, left := p.options.Log != nil && l.passed < p.limits.Lines, l.left
	if pass {
		l.passed++
		l.left = 0
	} else {
		l.left++
		p.counts.lines.Add(1)
	}
	l.mu.Unlock()
	switch {
	case !pass:
		return
	case left > 0:
		p.options.Log(slog.LevelWarn, fmt.Sprintf("%d lines before this one were left out: the limit is %d in a second", left, p.limits.Lines))
	}
	p.options.Log(level, line)
}

// trouble passes on what goes wrong around the plugin.
func (p *Plugin) trouble(what string, err error) {
	if p.options.Trouble != nil {
		p.options.Trouble(what, err)
	}
}

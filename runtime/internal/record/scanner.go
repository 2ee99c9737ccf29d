package record

import "fmt"

// Scanner scans the records of one partition. It learns how their producers lay
// them out, so that most records need no look at their keys. It does not allocate
// once its buffers have grown to what the largest record needs, which the limits
// of a record bound to some megabytes. The zero Scanner is ready to use; one
// goroutine may use it at a time.
type Scanner struct {
	// Fast and Slow count the records that Scan read by a learned layout, and those
	// it could not: with another layout, or refused.
	Fast, Slow uint64

	layouts [maxLayouts]layout
	order   [maxLayouts]uint8 // indices of layouts, most recently used first
	learned int               // how many of order are in use

	marks []mark // members of the record that walk read
	plain bool   // the record has no field twice

	labels    []byte // a copy of the last labels that were validated
	raw       []rawPoint
	quantiles []Quantile
	value     scalar
	report    int64
	seen      fieldSet
	failed    pointField // field of the point in which the scan stopped
}

// NewScanner returns a Scanner that knows the layouts of Sluice's own reporter
// and of the flat form.
func NewScanner() *Scanner {
	s := new(Scanner)
	var v View
	for _, example := range []string{
		`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":0,"labels":{}}`,
		`{"v":1,"torrent_task_id":"t","report_timestamp":1,"rid":"r","seq":1,"metric":"_report","n":1}`,
		`{"v":1,"torrent_task_id":"t","report_timestamp":1,"rid":"r","seq":1,"cv":1,"origin":"native","scope":"s",` +
			`"metric":"m","type":"gauge","labels":{},"points":[{"v":0}]}`,
	} {
		b := []byte(example)
		if err := s.Strict(b, &v); err == nil {
			s.learn(b)
		}
	}
	return s
}

// Scan reads the record b into v. It accepts what Strict accepts, fills v with
// the same and returns the same *Error; it is faster for records that are laid
// out like one of the last it has read. After an error v holds nothing of use.
func (s *Scanner) Scan(b []byte, v *View) error {
	if len(b) <= MaxBytes {
		for rank := range s.learned {
			if s.follow(&s.layouts[s.order[rank]], b, v) {
				s.promote(rank)
				s.Fast++
				return nil
			}
		}
	}
	s.Slow++
	if err := s.Strict(b, v); err != nil {
		return err
	}
	s.learn(b)
	return nil
}

// Strict reads the record b into v by its keys and validates all of it, unknown
// fields too. A field must have its type wherever it stands; of several with one
// name the last counts. The error is an *Error. After an error v holds nothing of use.
func (s *Scanner) Strict(b []byte, v *View) error {
	if len(b) > MaxBytes {
		return newError(b, MaxBytes, "", tooLong)
	}
	s.start(v)
	at, id, f := s.walk(b, v)
	if f == noFault {
		at, id, f = s.finish(b, v)
	}
	if f == noFault {
		return nil
	}
	return newError(b, at, s.path(id, f, v), f)
}

// path names the field in which the scan stopped.
func (s *Scanner) path(id field, f fault, v *View) string {
	if id != fieldPoints || len(v.Points) == 0 || f == tooManyPoints {
		return fieldNames[id]
	}
	path := fmt.Sprintf("points[%d]", len(v.Points)-1)
	if s.failed != pointUnknown {
		path += "." + pointFieldNames[s.failed]
	}
	return path
}

// start makes v and s ready for a record.
func (s *Scanner) start(v *View) {
	points := v.Points[:0]
	*v = View{}
	v.Seq, v.CV, v.Report, v.Points = -1, -1, -1, points
	s.seen = 0
	s.failed = pointUnknown
}

// walk reads the members of the record b in whatever order they stand.
func (s *Scanner) walk(b []byte, v *View) (int, field, fault) {
	s.marks, s.plain = s.marks[:0], true
	i := space(b, 0)
	if i >= len(b) {
		return i, fieldUnknown, blank
	}
	if b[i] != '{' {
		i, f := mismatch(b, i, wantRecord)
		return i, fieldUnknown, f
	}
	i++
	for first := true; ; first = false {
		key, next, f := member(b, i, first)
		if f != noFault {
			return next, fieldUnknown, f
		}
		if key.lo == 0 {
			i = space(b, next)
			break
		}
		id := lookup(b[key.lo:key.hi])
		s.plain = s.plain && (id == fieldUnknown || !s.seen.has(id))
		if i, f = s.field(id, b, next, v); f != noFault {
			return i, id, f
		}
		if len(s.marks) <= maxSlots {
			s.marks = append(s.marks, mark{id, span{next, i}})
		}
	}
	if i < len(b) {
		return i, fieldUnknown, trailing
	}
	return i, fieldUnknown, noFault
}

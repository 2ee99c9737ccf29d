package record

import "math"

// field is a member of a record.
type field uint8

const (
	fieldUnknown field = iota
	fieldVersion
	fieldTask
	fieldTimestamp
	fieldRID
	fieldSeq
	fieldCV
	fieldOrigin
	fieldScope
	fieldMetric
	fieldType
	fieldLabels
	fieldTo
	fieldEnd
	fieldReport
	fieldValue
	fieldPoints
)

var fieldNames = [...]string{
	fieldUnknown:   "",
	fieldVersion:   "v",
	fieldTask:      "torrent_task_id",
	fieldTimestamp: "report_timestamp",
	fieldRID:       "rid",
	fieldSeq:       "seq",
	fieldCV:        "cv",
	fieldOrigin:    "origin",
	fieldScope:     "scope",
	fieldMetric:    "metric",
	fieldType:      "type",
	fieldLabels:    "labels",
	fieldTo:        "to",
	fieldEnd:       "end",
	fieldReport:    "n",
	fieldValue:     "value",
	fieldPoints:    "points",
}

// fieldSet is a set of fields.
type fieldSet uint32

func (s fieldSet) has(id field) bool { return s&(1<<id) != 0 }

// lookup returns the field that a raw key names.
func lookup(key []byte) field {
	for id := fieldVersion; id <= fieldPoints; id++ {
		if same(key, fieldNames[id]) {
			return id
		}
	}
	return fieldUnknown
}

// isText reports whether the field is a string.
func (id field) isText() bool {
	const text = 1<<fieldTask | 1<<fieldRID | 1<<fieldOrigin | 1<<fieldScope | 1<<fieldMetric | 1<<fieldType
	return fieldSet(text).has(id)
}

// text returns where v has the field, which is a string.
func (v *View) text(id field) *[]byte {
	switch id {
	case fieldTask:
		return &v.Task
	case fieldRID:
		return &v.RID
	case fieldOrigin:
		return &v.Origin
	case fieldScope:
		return &v.Scope
	case fieldMetric:
		return &v.Metric
	default:
		return &v.Type
	}
}

// field reads the value of a field at b[i] into v or s. Both ways of reading a
// record use it, which is why they cannot differ in what they make of a value.
func (s *Scanner) field(id field, b []byte, i int, v *View) (next int, f fault) {
	s.seen |= 1 << id
	switch id {
	case fieldTimestamp:
		v.Timestamp, next, f = wholeAt(b, i, math.MaxInt64, wantTime)
		if f == noFault && v.Timestamp == 0 {
			return i, wantTime
		}
	case fieldTask, fieldRID, fieldOrigin, fieldScope, fieldMetric, fieldType:
		*v.text(id), next, f = stringAt(b, i)
	case fieldSeq:
		v.Seq, next, f = wholeAt(b, i, math.MaxInt64, wantWhole)
	case fieldCV:
		v.CV, next, f = wholeAt(b, i, math.MaxInt64, wantWhole)
	case fieldLabels:
		v.Labels, next, f = s.labelsAt(b, i)
	case fieldTo:
		v.To, next, f = stringsAt(b, i)
	case fieldEnd:
		v.End, next, f = boolAt(b, i)
	case fieldReport:
		s.report, next, f = wholeAt(b, i, math.MaxInt64, wantWhole)
	case fieldValue:
		next, f = s.value.scan(b, i)
	case fieldPoints:
		next, f = s.points(b, i, v)
	case fieldVersion:
		return versionAt(b, i)
	default:
		next, f = skipValue(b, i, 1)
	}
	return next, f
}

// labelsAt reads the labels of a record. Records of one task are neighbours, so
// the object is compared with the last one first: it ends where that one ended.
func (s *Scanner) labelsAt(b []byte, i int) ([]byte, int, fault) {
	if end := i + len(s.labels); end <= len(b) && end > i && string(b[i:end]) == string(s.labels) {
		return b[i:end], end, noFault
	}
	raw, next, f := labelsAt(b, i)
	if f == noFault && len(raw) <= maxKept {
		s.labels = append(s.labels[:0], raw...)
	}
	return raw, next, f
}

// maxKept bounds the labels that a Scanner keeps a copy of, in bytes.
const maxKept = 16 << 10

// versionAt reads the version of the record: 1, and written like that.
func versionAt(b []byte, i int) (int, fault) {
	n, next, f := integerAt(b, i)
	switch {
	case f == wantInteger || f == noFault && (n != 1 || next != i+1):
		return i, wantVersion
	case f != noFault:
		return next, f
	}
	return next, noFault
}

// scalar is the value of a flat record, before its type is known.
type scalar struct {
	text   span // with the quotes of a string
	kind   scalarKind
	flag   bool
	number float64
}

type scalarKind uint8

const (
	scalarNull scalarKind = iota
	scalarNumber
	scalarBoolean
	scalarString
)

// scan reads the scalar at b[i].
func (s *scalar) scan(b []byte, i int) (next int, f fault) {
	c := byte(0)
	if i < len(b) {
		c = b[i]
	}
	switch {
	case c == '-', isDigit(c):
		s.kind = scalarNumber
		s.number, next, f = floatAt(b, i)
	case c == '"':
		s.kind = scalarString
		_, next, f = stringAt(b, i)
	case c == 't', c == 'f':
		s.kind = scalarBoolean
		s.flag, next, f = boolAt(b, i)
	case c == 'n':
		s.kind = scalarNull
		next, f = literal(b, i, "null")
	default:
		return mismatch(b, i, wantScalar)
	}
	s.text = span{i, next}
	return next, f
}

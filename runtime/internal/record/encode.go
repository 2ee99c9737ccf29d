package record

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sluice-metrics/sluice/runtime/metric"
)

// A record is written from parts, so that what stays the same is encoded once:
//
//	AppendHead    {"v":1,"torrent_task_id":"…","report_timestamp":   per task
//	AppendStamp   1763800000123,"rid":"…","seq":8123,"cv":42        per record
//	AppendName    ,"origin":…,"metric":…,"type":…                    per metric
//	AppendLists   ,"labels":{…}                                      per set of labels
//	PartEnd       ,"end":true                                        for an end record
//	PartPoints    ,"points":[
//	AppendPoint   {"s":0,"a":1,"c":17}                               per point, commas between
//	PartClose     ]}
//
// None of them allocates when dst has room.
const (
	PartEnd    = `,"end":true`
	PartPoints = `,"points":[`
	PartClose  = `]}`
)

// AppendHead writes the start of a record of the task, up to its timestamp.
func AppendHead(dst []byte, task string) []byte {
	return appendTask(append(dst, `{"v":1,`...), task)
}

func appendTask(dst []byte, task string) []byte {
	dst = AppendString(append(dst, `"torrent_task_id":`...), task)
	return append(dst, `,"report_timestamp":`...)
}

// AppendStamp writes the timestamp in Unix milliseconds and, where they are
// there, the reporter instance as View.RID holds it, report number and control version.
func AppendStamp(dst []byte, timestamp int64, rid []byte, seq, cv int64) []byte {
	dst = strconv.AppendInt(dst, timestamp, 10)
	if rid != nil {
		dst = append(dst, `,"rid":"`...)
		dst = append(dst, rid...)
		dst = append(dst, '"')
	}
	if seq >= 0 {
		dst = appendInt(dst, `,"seq":`, seq)
	}
	if cv >= 0 {
		dst = appendInt(dst, `,"cv":`, cv)
	}
	return dst
}

// AppendName writes what a record is about: its origin ("" writes none), its
// scope ("" writes none: processed records carry the series name as metric), its
// metric and its type.
func AppendName(dst []byte, origin, scope, name string, kind metric.Kind) []byte {
	if origin != "" {
		dst = AppendString(append(dst, `,"origin":`...), origin)
	}
	if scope != "" {
		dst = AppendString(append(dst, `,"scope":`...), scope)
	}
	dst = AppendString(append(dst, `,"metric":`...), name)
	if kind == 0 {
		return dst
	}
	return AppendString(append(dst, `,"type":`...), kind.String())
}

// AppendLists writes the labels and the sinks of a record; nil sinks write none.
func AppendLists(dst []byte, labels metric.Labels, to []string) []byte {
	dst = AppendObject(append(dst, `,"labels":`...), labels)
	if to == nil {
		return dst
	}
	dst = append(dst, `,"to":[`...)
	for i, sink := range to {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, sink)
	}
	return append(dst, ']')
}

// AppendPointKey writes the start of a point: its opening brace and what tells it
// from the other points of its record. Negative numbers and no labels are left out.
func AppendPointKey(dst []byte, subtask, attempt int32, labels metric.Labels) []byte {
	dst = append(dst, '{')
	start := len(dst)
	if subtask >= 0 {
		dst = appendInt(dst, `,"s":`, int64(subtask))
	}
	if attempt >= 0 {
		dst = appendInt(dst, `,"a":`, int64(attempt))
	}
	if len(labels) > 0 {
		dst = AppendObject(append(dst, `,"l":`...), labels)
	}
	return dropComma(dst, start)
}

// AppendPoint writes a point from its key, as AppendPointKey wrote it, and its
// values: the very bytes of p.Values when there are any, else the parsed ones, as
// a writer wants it that has changed p and set Values to nil. With a nil p it
// writes a point without values, as end records have.
func AppendPoint(dst, key []byte, kind metric.Kind, p *Point) []byte {
	dst = append(dst, key...)
	if p != nil {
		if len(key) > 1 {
			dst = append(dst, ',')
		}
		if p.Values != nil {
			dst = append(dst, p.Values...)
		} else {
			dst = AppendPointValues(dst, kind, p)
		}
	}
	return append(dst, '}')
}

// AppendPointValues writes the value fields of p, without braces, from its parsed
// values. Statistics that p lacks are left out; a missing sample is null.
func AppendPointValues(dst []byte, kind metric.Kind, p *Point) []byte {
	switch p.Form {
	case Count:
		return appendInt(dst, `"c":`, p.Count)
	case Number:
		if kind == metric.Meter {
			return AppendFloat(append(dst, `"r":`...), p.Value)
		}
		return AppendFloat(append(dst, `"v":`...), p.Value)
	case Text:
		dst = append(dst, `"t":"`...)
		dst = append(dst, p.Text...)
		return append(dst, '"')
	case Rate:
		dst = appendInt(dst, `"c":`, p.Count)
		return AppendFloat(append(dst, `,"r":`...), p.Value)
	case Statistic:
		return appendHist(appendInt(dst, `"c":`, p.Count), &p.Hist)
	default:
		return append(dst, `"v":null`...)
	}
}

func appendHist(dst []byte, h *Hist) []byte {
	if h.Window >= 0 {
		dst = appendInt(dst, `,"n":`, h.Window)
	}
	dst = appendStatistic(dst, `,"min":`, h.Min)
	dst = appendStatistic(dst, `,"max":`, h.Max)
	dst = appendStatistic(dst, `,"mean":`, h.Mean)
	dst = appendStatistic(dst, `,"sd":`, h.Dev)
	if len(h.Quantiles) == 0 {
		return dst
	}
	dst = append(dst, `,"q":{`...)
	start := len(dst)
	for _, q := range h.Quantiles {
		dst = append(dst, `,"`...)
		dst = append(dst, q.Q...)
		dst = AppendFloat(append(dst, `":`...), q.Value)
	}
	return append(dropComma(dst, start), '}')
}

func appendStatistic(dst []byte, key string, v float64) []byte {
	if math.IsNaN(v) {
		return dst
	}
	return AppendFloat(append(dst, key...), v)
}

// dropComma removes the comma at start, which the first of several members wrote.
func dropComma(dst []byte, start int) []byte {
	if start == len(dst) {
		return dst
	}
	return append(dst[:start], dst[start+1:]...)
}

func appendInt(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(dst, key...), n, 10)
}

// AppendFloat writes the shortest number that reads back as v, or the string that
// stands for what JSON has no number for.
func AppendFloat(dst []byte, v float64) []byte {
	switch abs := math.Abs(v); {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Inf"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Inf"`...)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// AppendObject writes labels as an object.
func AppendObject(dst []byte, labels metric.Labels) []byte {
	dst = append(dst, '{')
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, l.Name)
		dst = append(dst, ':')
		dst = AppendString(dst, l.Value)
	}
	return append(dst, '}')
}

// AppendString writes s as a JSON string. Bytes that are not UTF-8 become
// replacement characters, so that what is written can be read.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped writes s as it stands between the quotes of a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if n > 1 {
			i += n
			continue
		}
		dst = append(dst, s[from:i]...)
		switch {
		case r == utf8.RuneError:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

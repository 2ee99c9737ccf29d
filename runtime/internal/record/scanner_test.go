package record

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-metrics/sluice/runtime/metric"
)

func TestScanView(t *testing.T) {
	want := View{
		Task: []byte("t-184467"), Timestamp: 1763800000123, RID: []byte("7f3c9a"), Seq: 8123, CV: 42,
		Origin: []byte("native"), Scope: []byte("taskmanager.job.task"), Metric: []byte("numRecordsInPerSecond"),
		Type: []byte("meter"), Kind: metric.Meter, Labels: []byte(`{"host":"10.1.2.3","task_name":"Source: orders[1]"}`), Report: -1,
		Points: []Point{
			{Subtask: 0, Attempt: 0, Values: []byte(`"c":8744577,"r":689.48`), Form: Rate, Count: 8744577, Value: 689.48},
			{Subtask: 1, Attempt: 0, Values: []byte(`"c":8744581,"r":690.02`), Form: Rate, Count: 8744581, Value: 690.02},
		},
	}
	s := NewScanner()
	for range 2 {
		var got View
		if err := s.Scan([]byte(meterRecord), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if s.Fast != 2 || s.Slow != 0 {
		t.Errorf("fast %d, slow %d: the reporter's layout is not known from the start", s.Fast, s.Slow)
	}
}

func TestScanKnowsOurLayoutsFromTheStart(t *testing.T) {
	s := NewScanner()
	for _, record := range []string{meterRecord, flatGaugeRecord, closing[:strings.Index(closing, `,"cv"`)] + `,"metric":"_report","n":3}`} {
		slow := s.Slow
		if err := s.Scan([]byte(record), new(View)); err != nil || s.Slow != slow {
			t.Errorf("%s: slow, %v", record, err)
		}
	}
}

// Values says which bytes a writer may copy.
func TestPointValues(t *testing.T) {
	for point, want := range map[string]string{
		`{"s":0,"a":1,"v":1.50}`:              `"v":1.50`,
		`{"v":1,"s":0,"l":{"k":"v"}}`:         `"v":1`,
		`{"s":0,"c":1,"r":2 ,"v":3}`:          `"c":1,"r":2 ,"v":3`,
		`{"v":1,"s":0,"v":2}`:                 ``,
		`{"v":1,"unknown":[],"c":2}`:          ``,
		`{"v":1,"unknown":[],"s":2}`:          `"v":1`,
		`{ "s" : 0 , "v" : 1 , "a" : 0 }`:     `"v" : 1`,
		`{"v":-9223372036854775808}`:          `"v":-9223372036854775808`,
		`{"s":0,"v":123456789012345678901.0}`: `"v":123456789012345678901.0`,
	} {
		b := fmt.Appendf(nil, `{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","points":[%s]}`, point)
		var v View
		if err := new(Scanner).Strict(b, &v); err != nil {
			t.Errorf("%s: %v", point, err)
		} else if got := string(v.Points[0].Values); got != want {
			t.Errorf("%s: got %s, want %s", point, got, want)
		}
	}
}

func TestScanLearnsAndKeepsLayouts(t *testing.T) {
	producer := func(fields int) string { // each has its own number of fields before the known ones
		var b strings.Builder
		b.WriteByte('{')
		for i := range fields {
			fmt.Fprintf(&b, `"x%d":%d, `, i, i*i)
		}
		return b.String() + `"metric":"m","type":"gauge","torrent_task_id":"t","report_timestamp":1,"value":2.5}`
	}
	cases := []struct {
		name      string
		producers int
		slow      uint64
	}{
		{"one producer", 1, 1},
		{"as many as layouts", maxLayouts, maxLayouts},
		{"more than layouts, in turn", maxLayouts + 1, 10 * (maxLayouts + 1)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var s Scanner
			for range 10 {
				for p := range c.producers {
					compareScan(t, &s, []byte(producer(p)))
				}
			}
			if s.Slow != c.slow || s.Fast+s.Slow != uint64(10*c.producers) {
				t.Errorf("fast %d, slow %d, want %d slow", s.Fast, s.Slow, c.slow)
			}
		})
	}
	for name, record := range map[string]string{
		"too many fields":      producer(maxSlots),
		"too much white space": producer(1) + strings.Repeat(" ", maxFixed),
		"a field twice":        producer(1)[:1] + `"value":1,` + producer(1)[1:],
	} {
		t.Run(name, func(t *testing.T) {
			var s Scanner
			for range 3 {
				compareScan(t, &s, []byte(record))
			}
			if s.Fast != 0 || s.learned != 0 {
				t.Error("the layout was learned")
			}
		})
	}
}

func TestRefusedRecordIsNotLearned(t *testing.T) {
	var s Scanner
	bad := []byte(`{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":{}}`)
	for range 3 {
		compareScan(t, &s, bad)
	}
	if s.learned != 0 || s.Slow != 3 {
		t.Errorf("learned %d layouts, slow %d", s.learned, s.Slow)
	}
}

// The labels that a Scanner remembers are its own copy: the bytes of the record
// before may have changed.
func TestLabelsOfAReusedBuffer(t *testing.T) {
	s := NewScanner()
	buf := []byte(flatGaugeRecord)
	compareScan(t, s, buf)
	copy(buf, strings.Repeat("x", len(buf)))
	compareScan(t, s, []byte(flatGaugeRecord))
	compareScan(t, s, []byte(strings.Replace(flatGaugeRecord, `"b"}`, `"b","c":"d"}`, 1)))
	compareScan(t, s, []byte(strings.Replace(flatGaugeRecord, `,"job_id":"b"}`, `}`, 1)))
	compareScan(t, s, []byte(flatGaugeRecord))
}

// Labels that go on where the last ones ended, in the same place of the same buffer.
func TestLabelsThatGrowInAReusedBuffer(t *testing.T) {
	const head = `{"torrent_task_id":"t","report_timestamp":1,"metric":"m","type":"gauge","value":1,"labels":`
	s := NewScanner()
	buf := make([]byte, 0, 256)
	for _, labels := range []string{`{"a":"b"}`, `{"a":"b","c":"d"}`, `{"a":"b"}`, `{}`, `{"a":"b"}`} {
		compareScan(t, s, append(append(append(buf, head...), labels...), '}'))
	}
}

func TestSlotMatchesItsBytesOnly(t *testing.T) {
	const text = `","report_timestamp":1234567890,"seq":`
	for n := range len(text) {
		sl := newSlot([]byte(text[:n]), fieldSeq)
		for _, after := range []string{"", "1", "123456789012345678"} {
			b := []byte("1" + text[:n] + after)
			if !sl.matches(b, 1) {
				t.Errorf("%q does not match %q", text[:n], b)
			}
			for i := range n {
				b[1+i]++
				if sl.matches(b, 1) {
					t.Errorf("%q matches %q", text[:n], b)
				}
				b[1+i]--
			}
			if n > 0 && sl.matches(b[:n], 1) || sl.matches(b, len(b)+1) {
				t.Errorf("%q matches beyond the end", text[:n])
			}
		}
	}
}

// A Scanner that knows a layout sees every byte that is not of it.
func TestEveryByteCounts(t *testing.T) {
	for _, record := range []string{meterRecord, flatGaugeRecord, histogramRecord, closing} {
		s := NewScanner()
		compareScan(t, s, []byte(record))
		for i := range record {
			for _, c := range []byte("x0\"\\ ,:{}[]\xff") {
				b := []byte(record)
				b[i] = c
				compareScan(t, s, b)
			}
			compareScan(t, s, []byte(record[:i]+record[i+1:]))
			compareScan(t, s, []byte(record))
		}
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	for i, record := range seeds {
		b := []byte(record)
		var v View
		s := NewScanner()
		if s.Scan(b, &v) != nil || !learnable(b) || strings.Contains(record, `\u`) {
			continue // an error is allocated, and so is the text of a word that is spelled with escapes
		}
		scan := func() {
			if err := s.Scan(b, &v); err != nil {
				t.Error(err)
			}
		}
		strict := func() {
			if err := s.Strict(b, &v); err != nil {
				t.Error(err)
			}
		}
		if n := testing.AllocsPerRun(100, scan); n != 0 {
			t.Errorf("seed %d: Scan allocates %v times: %s", i, n, record)
		}
		if n := testing.AllocsPerRun(100, strict); n != 0 {
			t.Errorf("seed %d: Strict allocates %v times: %s", i, n, record)
		}
	}
}

func TestRelearningDoesNotAllocate(t *testing.T) {
	var s Scanner
	var v View
	var records [][]byte
	for n := range maxLayouts + 2 {
		records = append(records, []byte(strings.Repeat(`{"torrent_task_id":"t","report_timestamp":1, `, 1)+strings.Repeat(" ", n)+`"metric":"m","type":"gauge","value":1}`))
	}
	round := func() {
		for _, b := range records {
			if err := s.Scan(b, &v); err != nil {
				t.Error(err)
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(10, round); n != 0 || s.Fast != 0 {
		t.Errorf("%v allocations, %d fast", n, s.Fast)
	}
}

// parseKind spells the words of package metric out.
func TestKindsAreThoseOfMetric(t *testing.T) {
	for kind := metric.Counter; kind <= metric.Histogram; kind++ {
		if got := parseKind([]byte(kind.String())); got != kind {
			t.Errorf("%v reads as %v", kind, got)
		}
	}
	if _, ok := metric.ParseKind((metric.Histogram + 1).String()); ok {
		t.Error("metric has a kind that records do not know")
	}
}

func TestPointLettersAreThoseOfTheNames(t *testing.T) {
	for letter, id := range pointLetters {
		if id != pointUnknown && pointFieldNames[id] != string(rune(letter)) {
			t.Errorf("%c finds %q", letter, pointFieldNames[id])
		}
	}
	for id, name := range pointFieldNames {
		if len(name) == 1 && pointLetters[name[0]] != pointField(id) {
			t.Errorf("%q is not found by its letter", name)
		}
	}
}

func TestEveryFaultHasAReason(t *testing.T) {
	for f := noFault + 1; int(f) < len(faults); f++ {
		if faults[f].reason == "" || faults[f].text == "" {
			t.Errorf("fault %d says nothing", f)
		}
	}
	if int(unknownType) != len(faults)-1 {
		t.Error("the last fault is not in the table")
	}
}

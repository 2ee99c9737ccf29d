package runtime

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// letters waits until there are so many dead letters.
func (r instance) letters(t *testing.T, n int, f LetterFilter) []Letter {
	t.Helper()
	var page Page[Letter]
	eventually(t, func() string {
		var err error
		if page, err = r.Letters(t.Context(), f, "", 100); err != nil {
			t.Fatal(err)
		}
		if len(page.Items) != n || page.Next != "" {
			return fmt.Sprintf("%d letters, want %d", len(page.Items), n)
		}
		return ""
	})
	return page.Items
}

func TestLettersAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	now := time.Now().UnixMilli()
	r.publish(t, "flink.native", flat("t-1", "m", "gauge", now, "1"), `{"not json`)
	r.letters(t, 1, LetterFilter{})
	for i := range 4 {
		r.publish(t, "flink.native", flat("t-2", "m", "gauge", now+int64(48*time.Hour/time.Millisecond)+int64(i), "1"))
		r.letters(t, 2+i, LetterFilter{})
	}
	r.publish(t, "flink.native", `{"password":"pass-1","url":"http://ann:pass-2@x"`)
	all := r.letters(t, 6, LetterFilter{})
	for i := 1; i < len(all); i++ {
		if all[i].At.After(all[i-1].At) {
			t.Errorf("letter %d is newer than the one before", i)
		}
	}
	first := all[0]
	if first.Reason != "not-json" || first.Stage != "native" || !strings.HasPrefix(first.Source, "flink.native/") || strings.Contains(first.Text, "pass-") {
		t.Errorf("the newest letter: %+v", first)
	}
	if n := len(r.letters(t, 4, LetterFilter{Task: "t-2"})); n != 4 {
		t.Errorf("%d letters of the task", n)
	}
	r.letters(t, 2, LetterFilter{Reason: "not-json", Stream: "native"})
	var seen []Letter
	for after := ""; ; {
		page, err := r.Letters(t.Context(), LetterFilter{}, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, page.Items...)
		if after = page.Next; after == "" {
			break
		}
	}
	for i := range seen {
		if len(seen) != len(all) || seen[i] != all[i] {
			t.Fatalf("by twos: %+v\nwant %+v", seen, all)
		}
	}
	for name, err := range map[string]error{
		"cursor": func() error { _, err := r.Letters(t.Context(), LetterFilter{}, "!", 1); return err }(),
		"limit": func() error {
			_, err := r.ReplayLetters(t.Context(), operator, ReplayLettersRequest{})
			return err
		}(),
		"offset": func() error {
			_, err := r.ReplayLetters(t.Context(), operator, ReplayLettersRequest{Limit: 1, Offsets: map[int32][]int64{0: {1 << 40}}})
			return err
		}(),
	} {
		if !errors.Is(err, ErrRejected) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if _, err := r.Letters(t.Context(), LetterFilter{Stream: "other"}, "", 1); !errors.Is(err, ErrNoStream) {
		t.Errorf("a stream that is none: %v", err)
	}
}

func TestReplayedLettersAreWhatTheyWereAndDoNotGoRoundForEver(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	r.publish(t, "flink.native", `{"not json`)
	r.letters(t, 1, LetterFilter{})
	ask := ReplayLettersRequest{Limit: 10}
	dry, err := r.ReplayLetters(t.Context(), operator, ask)
	if err != nil || dry.Sent || len(dry.Letters) != 1 {
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	ask.Send = true
	for n := 1; n <= MaxReplays; n++ {
		newest := r.letters(t, n, LetterFilter{})[0]
		ask.Offsets = map[int32][]int64{newest.Partition: {newest.Offset}}
		done, err := r.ReplayLetters(t.Context(), operator, ask)
		if err != nil || !done.Sent || len(done.Letters) != 1 {
			t.Fatalf("replay %d: %+v, %v", n, done, err)
		}
		if again := r.letters(t, n+1, LetterFilter{})[0]; again.Replays != n || again.Text != `{"not json` || again.Source == newest.Source {
			t.Fatalf("after replay %d: %+v", n, again)
		}
	}
	newest := r.letters(t, MaxReplays+1, LetterFilter{})[0]
	ask.Offsets = map[int32][]int64{newest.Partition: {newest.Offset}}
	done, err := r.ReplayLetters(t.Context(), operator, ask)
	if err != nil || len(done.Letters) != 0 || done.Left["it has died 4 times"] != 1 {
		t.Errorf("one that died too often: %+v, %v", done, err)
	}
	some := ReplayLettersRequest{Limit: 2, Offsets: map[int32][]int64{newest.Partition: {0, 1, 2}}}
	if done, err = r.ReplayLetters(t.Context(), operator, some); err != nil || len(done.Letters) != 2 || !done.More {
		t.Errorf("more offsets than the limit: %+v, %v", done, err)
	}
	records := everything(t, r.Status().Brokers, "flink.native")
	if len(records) != 1+MaxReplays {
		t.Fatalf("%d records in the input, want %d", len(records), 1+MaxReplays)
	}
	for _, rec := range records {
		if string(rec.Value) != `{"not json` || string(rec.Key) != string(records[0].Key) || rec.Partition != records[0].Partition {
			t.Errorf("record %s %s in partition %d", rec.Key, rec.Value, rec.Partition)
		}
	}
}

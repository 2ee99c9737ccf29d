package deadletter

import (
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/internal/kafka"
)

// Clocks of those who put letters aside differ: what is listed page by page is all the
// same every letter once, those of a partition in the order of their offsets.
func TestListedOnceWhateverTheClocksSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, ranges := map[int32][]Letter{}, map[int32]kafka.Range{}
		total := 0
		for id := range int32(rapid.IntRange(1, 4).Draw(t, "partitions")) {
			n := rapid.IntRange(0, 12).Draw(t, "letters")
			for offset := range n {
				at := time.UnixMilli(int64(offset + rapid.IntRange(-2, 2).Draw(t, "clock")))
				all[id] = append(all[id], Letter{Partition: id, Offset: int64(offset), At: at})
			}
			ranges[id] = kafka.Range{To: int64(n)}
			total += n
		}
		size := int64(rapid.IntRange(1, 5).Draw(t, "read at once"))
		next := map[int32]int64{}
		for id, of := range ranges {
			next[id] = of.To
		}
		for seen := 0; anyLeft(ranges); {
			read, tail := map[int32][]Letter{}, map[int32]int64{}
			for id, of := range ranges {
				tail[id] = max(of.From, of.To-size)
				read[id] = slices.Clone(all[id][tail[id]:of.To])
			}
			list := inTurn(read, func(id int32) bool { return tail[id] > ranges[id].From })
			if len(list) == 0 {
				t.Fatalf("nothing is listed of %v", ranges)
			}
			for _, l := range list {
				if next[l.Partition]--; l.Offset != next[l.Partition] {
					t.Fatalf("partition %d goes on with offset %d, want %d", l.Partition, l.Offset, next[l.Partition])
				}
				ranges[l.Partition] = kafka.Range{To: l.Offset}
			}
			if seen += len(list); seen > total {
				t.Fatalf("%d letters are listed of %d", seen, total)
			}
		}
	})
}

func TestCursor(t *testing.T) {
	all := func() map[int32]kafka.Range { return map[int32]kafka.Range{0: {From: 3, To: 9}, 1: {From: 0, To: 4}} }
	left := all()
	left[0] = kafka.Range{From: 3, To: 5}
	again := all()
	if err := cutAt(again, cursorOf(left)); err != nil || !maps.Equal(again, left) {
		t.Errorf("goes on at %v, want %v, error %v", again, left, err)
	}
	deleted := map[int32]kafka.Range{0: {From: 7, To: 9}}
	if err := cutAt(deleted, cursorOf(left)); err != nil || anyLeft(deleted) {
		t.Errorf("what was deleted meanwhile is left: %v, error %v", deleted, err)
	}
	if text := cursorOf(map[int32]kafka.Range{0: {From: 3, To: 3}}); text != "" {
		t.Errorf("at the end the cursor is %q", text)
	}
	for _, wrong := range []string{"x", "!", base64.RawURLEncoding.EncodeToString([]byte("[1]"))} {
		if err := cutAt(all(), wrong); !errors.Is(err, diag.ErrRejected) {
			t.Errorf("%q: error %v", wrong, err)
		}
	}
}

func TestSourceOf(t *testing.T) {
	for text, want := range map[string]bool{"in/3/17": true, "": false, "in/3": false, "in/x/17": false, "in/-1/17": false, "in/9999999999/1": false, "a/b/c/d": false} {
		topic, partition, ok := sourceOf(text)
		if ok != want || ok && (topic != "in" || partition != 3) {
			t.Errorf("%q: %s %d %v", text, topic, partition, ok)
		}
	}
}

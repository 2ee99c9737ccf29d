package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestBeginGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		places := func(group string) map[int32]int64 {
			fetched, err := b.admin.cl.FetchOffsets(t.Context(), group)
			if err != nil {
				t.Fatal(err)
			}
			at := map[int32]int64{}
			fetched.Each(func(o kadm.OffsetResponse) { at[o.Partition] = o.At })
			return at
		}
		begin := func(group string, at time.Time) {
			t.Helper()
			if err := b.admin.BeginGroup(t.Context(), group, at, testTopic); err != nil {
				t.Fatal(err)
			}
		}
		b.send(testTopic, 100)
		time.Sleep(time.Minute)
		between := time.Now()
		time.Sleep(time.Minute)
		b.send(testTopic, 20)

		begin("new", between)
		if at := places("new"); at[0]+at[1] != 100 {
			t.Errorf("a new group begins at %v", at)
		}
		begin("new", time.Now())
		if at := places("new"); at[0]+at[1] != 100 {
			t.Errorf("a known group was moved to %v", at)
		}
		begin("late", time.Now().Add(time.Hour))
		if at := places("late"); at[0]+at[1] != 120 {
			t.Errorf("a group that begins behind everything: %v", at)
		}
		if err := b.admin.BeginGroup(t.Context(), "none", between); err != nil {
			t.Errorf("no topics: %v", err)
		}
		if err := b.admin.BeginGroup(t.Context(), "lost", between, "nowhere"); err == nil || !strings.Contains(err.Error(), "consumer group lost") {
			t.Errorf("a topic that is not there: %v", err)
		}
	})
}

func TestMovePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.send(testTopic, 100)
		out := newSink()
		m := b.join(b.broker.Config(), SourceOptions{Group: "old"}, out.open)
		until(t, 20*time.Second, "records", func() bool { return out.total() == 100 })
		m.leave(t)
		move := func(from, to, topic string) error { return b.admin.MovePlace(t.Context(), from, to, topic) }
		for _, to := range []string{"new", "new"} {
			if err := move("old", to, testTopic); err != nil || b.committed("new") != 100 {
				t.Errorf("%d of 100 records are left out: %v", b.committed("new"), err)
			}
		}
		b.commit("behind", 10, 0)
		b.commit("ahead", 170, 0)
		if err := errors.Join(move("old", "behind", testTopic), move("old", "ahead", testTopic)); err != nil {
			t.Error(err)
		}
		if behind, ahead := b.committed("behind"), b.committed("ahead"); behind != 100 || ahead < 170 {
			t.Errorf("who was behind stands at %d, who was ahead at %d", behind, ahead)
		}
		if err := errors.Join(move("none", "other", testTopic), move("old", "other", "nowhere")); err != nil || b.committed("other") != 0 {
			t.Errorf("nothing to move: %d, %v", b.committed("other"), err)
		}
		if err := b.admin.EnsureTopics(t.Context(), Topic{Name: "quiet", Partitions: 1}); err != nil {
			t.Fatal(err)
		}
		busy := b.join(b.broker.Config(), SourceOptions{Group: "busy", Topics: []string{"quiet"}}, newSink().open)
		until(t, 20*time.Second, "a member", func() bool { return len(busy.src.Status().Partitions) == 1 })
		if err := move("old", "busy", testTopic); err == nil || !strings.Contains(err.Error(), "consumer group busy: commit") {
			t.Errorf("a group with members: %v", err)
		}
		busy.leave(t)
		if err := move("old", "busy", testTopic); err != nil || b.committed("busy") != 100 {
			t.Errorf("a group whose members have left: %d, %v", b.committed("busy"), err)
		}
	})
}

// Who reads a topic, and who has read it, is known by the groups.
func TestWhoReadsATopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		reads := func(group string, want bool, topics ...string) {
			t.Helper()
			if got, err := b.admin.Reads(t.Context(), group, topics...); err != nil || got != want {
				t.Errorf("group %s reads %v: %v, %v", group, topics, got, err)
			}
		}
		before := func(group string, want map[string][]string) {
			t.Helper()
			got, err := b.admin.ReadBefore(t.Context(), "s.", group, testTopic, "other")
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("before %s: %v\n%s", group, err, diff)
			}
		}
		reads("s.one", false, testTopic)
		before("s.two", nil)

		config := b.broker.Config()
		config.InstanceID = "static"
		b.send(testTopic, 100)
		out := newSink()
		static := b.join(config, SourceOptions{Group: "s.one"}, out.open)
		dynamic := b.join(b.broker.Config(), SourceOptions{Group: "s.one"}, out.open)
		until(t, 30*time.Second, "two members", func() bool {
			return len(static.src.Status().Partitions) == 1 && len(dynamic.src.Status().Partitions) == 1
		})
		until(t, 20*time.Second, "records", func() bool { return out.total() == 100 })
		until(t, 20*time.Second, "a group at rest", func() bool {
			reads, err := b.admin.Reads(t.Context(), "s.one", "other")
			return err == nil && !reads
		})
		reads("s.one", true, "other", testTopic)
		b.commit("s.late", 10, 0)
		before("s.late", map[string][]string{"s.one": {testTopic}})

		dynamic.leave(t)
		reads("s.one", true, testTopic)
		static.src.Quit()
		static.leave(t)
		reads("s.one", false, testTopic) // at once, though it was static
		before("s.two", map[string][]string{"s.one": {testTopic}, "s.late": {testTopic}})
		before("s.one", nil)
		before("s.late", map[string][]string{"s.one": {testTopic}}) // which has read further
		b.commit("elsewhere", 10, 0)
		if err := b.admin.MovePlace(t.Context(), "s.one", "s.two", testTopic); err != nil {
			t.Fatal(err)
		}
		before("s.two", nil)
		before("s.three", map[string][]string{"s.one": {testTopic}, "s.two": {testTopic}, "s.late": {testTopic}})
	})
}

// What waits for a group is known by its place, whatever it consumes now.
func TestWhatWaitsForAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		var named []string
		unread := func(group string, want ...string) {
			t.Helper()
			if got, err := b.admin.Unread(t.Context(), group, named...); err != nil || !slices.Equal(got, want) {
				t.Errorf("for group %s: %v, %v, want %v", group, got, err, want)
			}
		}
		unread("none")
		b.send(testTopic, 100)
		b.commit("behind", 40, 0)
		b.commit("done", 100, 0)
		unread("behind", testTopic)
		unread("done")
		b.deleteTo(60)
		unread("behind", testTopic)
		b.deleteTo(100) // retention has been here
		unread("behind")
		b.send(testTopic, 1)
		unread("done", testTopic)
		unread("none")
		named = []string{testTopic, "no-such-topic"}
		unread("none", testTopic)
		if _, err := b.admin.cl.DeleteTopics(t.Context(), testTopic); err != nil {
			t.Fatal(err)
		}
		unread("done")
		unread("none")
	})
}

// A partition in which a group has no place yet is unread where it has records.
func TestAllOfANewPartitionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.send(testTopic, 100)
		ends, err := b.admin.cl.ListEndOffsets(t.Context(), testTopic)
		if err != nil {
			t.Fatal(err)
		}
		b.commit("new", ends[testTopic][0].Offset, 0)
		if got, err := b.admin.Unread(t.Context(), "new"); err != nil || !slices.Equal(got, []string{testTopic}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// A group has passed ends where it has committed them all; where it has no place it has
// passed nothing.
func TestAGroupHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2)
		b.commit("one", 10, 0)
		for name, tt := range map[string]struct {
			group string
			ends  map[int32]int64
			want  bool
		}{
			"nothing":                {"none", nil, true},
			"empty partitions":       {"none", map[int32]int64{0: 0, 1: 0}, true},
			"no place":               {"none", map[int32]int64{0: 1}, false},
			"at the end":             {"one", map[int32]int64{0: 10}, true},
			"before the end":         {"one", map[int32]int64{0: 11}, false},
			"no place in one of two": {"one", map[int32]int64{0: 10, 1: 1}, false},
		} {
			if got, err := b.admin.Passed(t.Context(), tt.group, map[string]map[int32]int64{testTopic: tt.ends}); err != nil || got != tt.want {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := b.admin.Passed(ended, "one", nil); err == nil || got {
			t.Errorf("not asked: %v, %v", got, err)
		}
	})
}

// A group of which brokers do not tell who is in it is not taken for one that nobody is in.
func TestWhoReadsIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1)
		b.commit("s.one", 10, 0)
		b.commit("s.two", 10, 0)
		b.broker.cluster.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
			b.broker.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
			for _, group := range req.(*kmsg.DescribeGroupsRequest).Groups {
				told := kmsg.NewDescribeGroupsResponseGroup()
				told.Group, told.ErrorCode = group, kerr.UnknownServerError.Code
				resp.Groups = append(resp.Groups, told)
			}
			return resp, nil, true
		})
		if got, err := b.admin.ReadBefore(t.Context(), "s.", "s.two", testTopic); !errors.Is(err, kerr.UnknownServerError) {
			t.Errorf("%v, %v", got, err)
		}
		if got, err := b.admin.Reads(t.Context(), "s.one", testTopic); !errors.Is(err, kerr.UnknownServerError) || got {
			t.Errorf("%v, %v", got, err)
		}
	})
}

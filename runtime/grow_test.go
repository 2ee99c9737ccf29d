package runtime

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A topic that gets more partitions while it is read: records in the new ones are
// read from their start within the 15 s that are promised.
func TestNewPartitions(t *testing.T) {
	t.Parallel()
	r := startInstance(t, testConfig(t, simpleSet))
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Status().Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx := context.Background()
	grown, err := kadm.NewClient(cl).UpdatePartitions(ctx, 5, "flink.native")
	if err == nil {
		err = grown.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	began, now := time.Now(), time.Now().Truncate(time.Millisecond)
	want := map[string]string{}
	for p := range int32(5) {
		value := flat("t-1", fmt.Sprint("p", p), "gauge", now.UnixMilli(), fmt.Sprint(p))
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "flink.native", Partition: p, Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		want[fmt.Sprintf(`{"__name__":"p%d","torrent_task_id":"t-1"}`, p)] = fmt.Sprint(p)
	}
	r.stored(t, `{__name__=~"p."}`, now, want)
	t.Logf("found after %v", time.Since(began).Round(10*time.Millisecond))
}

package runtime

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

func TestLedgerNamesTheSinkWhoseReceiverRefuses(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"over the processed topic": false, "directly": true} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "out of order sample", http.StatusBadRequest)
			}))
			t.Cleanup(s.Close)
			cfg := testConfig(t, fmt.Sprintf(`
	stream: native: {topics: ["flink.native"], %s}
	sink: remote:   {type: "remote-write", url: %q, default: true}
	sink: page:     {type: "scrape", default: true}`, map[bool]string{true: `level: "none", direct: true`, false: `level: "no-loss"`}[direct], s.URL))
			cfg.EgressAllow = []string{"127.0.0.0/8"}
			r := startInstance(t, cfg)
			now := time.Now().UnixMilli()
			r.publish(t, "flink.native", flat("t-1", "a", "gauge", now, "1"), flat("t-1", "b", "gauge", now, "1"))
			in := r.settled(t, !direct, map[bool]string{true: "native", false: "remote"}[direct], 2)
			if in.Dispositions["refused"] != 2 || in.Dispositions["out"] != 0 || in.Imbalance != 0 {
				t.Errorf("dispositions %v, imbalance %d; want 2 refused and none out", in.Dispositions, in.Imbalance)
			}
			if want := []RefusedCount{{"remote", "out-of-order", 2}}; !slices.Equal(in.Refused, want) {
				t.Errorf("refused %v, want %v", in.Refused, want)
			}
		})
	}
}

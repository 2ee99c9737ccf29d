package doctor

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/sluice-metrics/sluice/runtime/internal/policy"
)

func TestReceivers(t *testing.T) {
	t.Parallel()
	answers := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	well, ill := answers(http.StatusMethodNotAllowed), answers(http.StatusServiceUnavailable)
	here := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	const unset = "env://SLUICE_TEST_NO_SUCH"
	for _, tt := range []struct {
		name              string
		sink              policy.Sink
		allow             []netip.Prefix
		outcome, says, do string
	}{
		{"forbidden", policy.Sink{URL: well}, nil, Fail, "loopback", "--egress-allow"},
		{"well", policy.Sink{URL: well}, here, OK, "answers", ""},
		{"ill", policy.Sink{URL: ill}, here, Warn, "503", "whether the receiver is well"},
		{"not there", policy.Sink{URL: "http://127.0.0.1:1/write"}, here, Fail, "refused", "check its url"},
		{"no url", policy.Sink{URL: "http://127.0.0.1:x"}, here, Fail, "invalid port", "mend its url"},
		{"without its token", policy.Sink{URL: well, Bearer: unset}, here, Fail, "SLUICE_TEST_NO_SUCH", "set what the reference names"},
		{"without its password", policy.Sink{URL: well, Basic: &policy.Basic{User: "ann", Password: unset}}, here, Fail, "SLUICE_TEST_NO_SUCH", "set what the reference names"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.sink.Type = "remote-write"
			f := Findings{area: AreaSinks}
			f.Receivers(t.Context(), tt.allow, map[string]policy.Sink{"away": tt.sink, "store": {Type: "store"}})
			told(t, f.list, Check{AreaSinks, "sink away", tt.outcome, tt.says, tt.do})
			if len(f.list) != 1 {
				t.Errorf("%+v", f.list)
			}
		})
	}
}

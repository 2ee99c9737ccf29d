package rest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// What is refused is told, and audited, without its kind twice.
func TestKindsAreSaidOnce(t *testing.T) {
	asked := echo.New().NewContext(httptest.NewRequest("POST", prefix+"/reload", nil), nil)
	for i := range refusals {
		k := &refusals[i]
		err := fmt.Errorf("%w: for the test", k.err)
		p := problemOf(err)
		saidOnce(t, p.Detail)
		saidOnce(t, p.Code+": "+p.Detail)
		if k.kind() != "" && p.Detail != "for the test" {
			t.Errorf("%s: %q", k.code, p.Detail)
		}
	}
	for err, want := range map[error]string{
		fmt.Errorf("%w: no canary runs", runtime.ErrRollout): "rollout: no canary runs",
		errors.New("a secret"):                               "internal",
	} {
		if e := new(operation).entry(asked, &call{}, "", "", err); e.Error != want {
			t.Errorf("%v is audited as %q, want %q", err, e.Error, want)
		}
	}
}

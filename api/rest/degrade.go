package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// degradeBody asks for a step by hand.
type degradeBody struct {
	Step   string `json:"step"`
	For    string `json:"for"`
	Reason string `json:"reason"`
}

// degrade answers where degradation stands (GET), sets its step by hand for a time
// (PUT) and ends that again (DELETE). Each answers with the status after it.
func degrade(g *echo.Group, r *runtime.Runtime) {
	g.GET("", func(c echo.Context) error { return degradeAnswer(c, *r.DegradeStatus()) })
	g.DELETE("", func(c echo.Context) error { return degradeAnswer(c, r.AutoDegrade()) })
	g.PUT("", func(c echo.Context) error {
		body, err := readDegrade(c.Request().Body)
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		}
		length, err := runtime.ParseDuration(body.For)
		if err != nil {
			return echo.NewHTTPError(http.StatusBadRequest, fmt.Sprintf(`for: %q is not a duration such as "30m" or "1h30m"`, body.For))
		}
		status, err := r.Degrade(body.Step, length, body.Reason)
		switch {
		case errors.Is(err, runtime.ErrNoDegrade):
			return echo.NewHTTPError(http.StatusConflict, err.Error())
		case errors.Is(err, runtime.ErrRejected):
			return echo.NewHTTPError(http.StatusBadRequest, err.Error())
		case err != nil:
			return err
		}
		return degradeAnswer(c, status)
	})
}

func degradeAnswer(c echo.Context, s runtime.DegradeStatus) error {
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, s)
}

func readDegrade(from io.Reader) (body degradeBody, err error) {
	d := json.NewDecoder(from)
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return body, fmt.Errorf(`write an object such as {"step": "P2", "for": "30m", "reason": "…"}: %w`, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return body, errors.New("there is more than one object")
	}
	return body, nil
}

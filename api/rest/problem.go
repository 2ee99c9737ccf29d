package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
)

// problemBody is an error as RFC 9457 has it.
type problemBody struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// problem answers every error in one form. What the client cannot help is
// logged; the client learns no more than that it happened.
func problem(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		status, detail := http.StatusInternalServerError, ""
		var known *echo.HTTPError
		if errors.As(err, &known) {
			status, detail = known.Code, fmt.Sprint(known.Message)
		}
		if status >= http.StatusInternalServerError {
			log.Error("request failed", "method", c.Request().Method, "path", c.Request().URL.Path, "error", err)
		}
		body, marshalErr := json.Marshal(problemBody{Title: http.StatusText(status), Status: status, Detail: detail})
		if err := errors.Join(marshalErr, c.Blob(status, "application/problem+json", body)); err != nil {
			log.Debug("answering a request", "error", err)
		}
	}
}

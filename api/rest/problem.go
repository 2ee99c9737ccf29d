package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// problemBody is an error as RFC 9457 has it.
type problemBody struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`

	// What is wrong with a question for an explanation.
	Field  string `json:"field,omitempty"`
	Offset *int   `json:"offset,omitempty"` // byte of the field's text
	Hint   string `json:"hint,omitempty"`
}

// problem answers every error in one form. What the client cannot help is
// logged; the client learns no more than that it happened.
func problem(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		p := problemBody{Status: http.StatusInternalServerError}
		var known *echo.HTTPError
		var question *runtime.QuestionError
		switch {
		case errors.As(err, &known):
			p.Status, p.Detail = known.Code, fmt.Sprint(known.Message)
		case errors.As(err, &question):
			p = problemBody{Status: http.StatusBadRequest, Detail: question.Message, Field: question.Field, Hint: question.Hint}
			if question.Offset >= 0 {
				p.Offset = &question.Offset
			}
		}
		p.Title = http.StatusText(p.Status)
		if p.Status >= http.StatusInternalServerError {
			log.Error("request failed", "method", c.Request().Method, "path", c.Request().URL.Path, "error", err)
		}
		body, marshalErr := json.Marshal(p)
		if err := errors.Join(marshalErr, c.Blob(p.Status, "application/problem+json", body)); err != nil {
			log.Debug("answering a request", "error", err)
		}
	}
}

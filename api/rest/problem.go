package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/diag"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// problemBody is what is answered when something is wrong, as RFC 9457 has it.
type problemBody struct {
	Type     string `json:"type"`             // what kind of problem it is: urn:sluice:problem: and the code
	Title    string `json:"title"`            // the name of the HTTP status
	Status   int    `json:"status"`           // the HTTP status
	Detail   string `json:"detail,omitempty"` // what is wrong, and what to do, for people
	Instance string `json:"instance"`         // this occurrence: urn:sluice:request: and the X-Request-Id, which the log has, too
	Code     string `json:"code"`             // what is wrong, for programs

	Diagnostics []diag.Diagnostic `json:"diagnostics,omitempty"` // what is wrong with a policy set, and where

	// What is wrong with a question for an explanation.
	Field  string `json:"field,omitempty"`  // part of the question that is wrong: series, record, rule, why-not, kind, origin
	Offset *int   `json:"offset,omitempty"` // byte of the field's text
	Hint   string `json:"hint,omitempty"`   // what may be meant
}

// kindOf says how an error of package runtime is answered.
type kindOf struct {
	err    error
	status int
	code   string
}

// kind is what an error of the kind begins with when that says no more than the code.
func (k *kindOf) kind() string {
	if k.err.Error() == strings.ReplaceAll(k.code, "-", " ") {
		return k.err.Error() + ": "
	}
	return ""
}

// refusals say how the errors of package runtime are answered. The first that
// matches holds.
var refusals = []kindOf{
	{runtime.ErrRollout, http.StatusConflict, "rollout"},
	{runtime.ErrForeignTeam, http.StatusForbidden, "forbidden"},
	{runtime.ErrConflict, http.StatusPreconditionFailed, "policies-changed"},
	{runtime.ErrForeign, http.StatusConflict, "policies-from-elsewhere"},
	{runtime.ErrUnknown, http.StatusNotFound, "unknown-revision"},
	{runtime.ErrNoDegrade, http.StatusConflict, "no-degrade-rule"},
	{runtime.ErrNoOverride, http.StatusNotFound, "no-override"},
	{runtime.ErrNoTask, http.StatusNotFound, "no-task"},
	{runtime.ErrTooMany, http.StatusConflict, "too-many-overrides"},
	{runtime.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{runtime.ErrNotReady, http.StatusServiceUnavailable, "not-ready"},
	{runtime.ErrUnreachable, http.StatusServiceUnavailable, "not-reachable"},
	{runtime.ErrNoStream, http.StatusNotFound, "no-stream"},
	{runtime.ErrNotDrained, http.StatusConflict, "not-drained"},
	{runtime.ErrNoPlugin, http.StatusNotFound, "no-plugin"},
	{runtime.ErrPluginUsed, http.StatusConflict, "plugin-used"},
	{runtime.ErrPluginRejected, http.StatusUnprocessableEntity, "plugin-rejected"},
	{runtime.ErrPluginsFull, http.StatusInsufficientStorage, "plugins-full"},
	{runtime.ErrNoStore, http.StatusNotFound, "no-store"},
	{runtime.ErrRejected, http.StatusBadRequest, "rejected"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "timeout"},
	{context.Canceled, statusGone, "canceled"},
}

// statusGone says that nobody reads the answer any more, as nginx and Prometheus have it.
const statusGone = 499

// codes are those of the statuses that the router and the guards answer with.
var codes = map[int]string{
	http.StatusBadRequest:            "bad-request",
	http.StatusUnauthorized:          "no-token",
	http.StatusForbidden:             "forbidden",
	http.StatusNotFound:              "not-found",
	http.StatusMethodNotAllowed:      "method-not-allowed",
	http.StatusRequestEntityTooLarge: "too-large",
	http.StatusUnsupportedMediaType:  "media-type",
	http.StatusServiceUnavailable:    "unavailable",
}

// refusal is an error that is answered as it stands. A handler returns one where
// what is wrong is told by no error of package runtime.
type refusal struct {
	status int
	code   string
	detail string
	found  []diag.Diagnostic
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, code, detail string) *refusal {
	return &refusal{status: status, code: code, detail: detail}
}

// with adds what was found in a policy set.
func (r *refusal) with(found []diag.Diagnostic) *refusal {
	r.found = found
	return r
}

// wrong refuses what was asked.
func wrong(format string, args ...any) error {
	return refuse(http.StatusBadRequest, "bad-request", fmt.Sprintf(format, args...))
}

// missing says that there is no such thing.
func missing(format string, args ...any) error {
	return refuse(http.StatusNotFound, "not-found", fmt.Sprintf(format, args...))
}

func forbidden(a runtime.Actor, least runtime.Role) error {
	return refuse(http.StatusForbidden, "forbidden", fmt.Sprintf("%s has the role %s; this needs %s", a.Name, a.Role, least))
}

// problemOf puts an error into the form of an answer.
func problemOf(err error) problemBody {
	p := problemBody{Status: http.StatusInternalServerError, Code: "internal"}
	var known *echo.HTTPError
	var refused *refusal
	var question *explain.QuestionError
	switch {
	case errors.As(err, &refused):
		p.Status, p.Code, p.Detail, p.Diagnostics = refused.status, refused.code, refused.detail, refused.found
	case errors.As(err, &known):
		p.Status, p.Code, p.Detail = known.Code, codes[known.Code], fmt.Sprint(known.Message)
	case errors.As(err, &question):
		p.Status, p.Code, p.Detail, p.Field, p.Hint = http.StatusBadRequest, "question", question.Message, question.Field, question.Hint
		if question.Offset >= 0 {
			p.Offset = &question.Offset
		}
	default:
		for _, r := range refusals {
			if errors.Is(err, r.err) {
				p.Status, p.Code, p.Detail = r.status, r.code, strings.TrimPrefix(err.Error(), r.kind())
				break
			}
		}
	}
	if p.Code == "" {
		p.Code = "http"
	}
	p.Type, p.Title = "urn:sluice:problem:"+p.Code, http.StatusText(p.Status)
	return p
}

// problem answers every error in one form. What the client cannot help is
// logged; the client learns no more than that it happened.
func problem(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		p := problemOf(err)
		id := c.Response().Header().Get(echo.HeaderXRequestID)
		if p.Status >= http.StatusInternalServerError && p.Code != "busy" && p.Code != "not-ready" && p.Code != "issuer-away" {
			log.Error("request failed", "method", c.Request().Method, "path", c.Request().URL.Path, "request", id, "error", err)
		}
		if c.Response().Committed {
			return
		}
		p.Instance = "urn:sluice:request:" + id
		if p.Status == http.StatusServiceUnavailable {
			c.Response().Header().Set("Retry-After", busyRetryAfterS)
		}
		body, marshalErr := json.Marshal(p)
		if err := errors.Join(marshalErr, c.Blob(p.Status, "application/problem+json", append(body, '\n'))); err != nil {
			log.Debug("answering a request", "error", err)
		}
	}
}

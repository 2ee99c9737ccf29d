package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// prefix is where all operations are.
const prefix = "/api/v1"

// operation is a row of the table of what can be asked of an instance. Routes,
// rights, the checks of what comes in, the audit and the OpenAPI document follow
// from it. Comments of the Go types that it names are what the document says of them.
type operation struct {
	id      string       // in the document and the audit: a verb and what it is about
	method  string       // of GET there is HEAD, too
	path    string       // behind the prefix; {name} stands for a parameter
	role    runtime.Role // that who asks must have, or more
	summary string       // a sentence
	about   string       // what else there is to say; sentences
	params  []param

	// body is an example of what the request carries, a value of the Go type that
	// it is read into; its fields are all that the JSON may have. A json.RawMessage
	// is handed over as it came. Nil: what comes is not read.
	body    any
	maxBody int64 // bytes; 0: maxBody

	answer any    // of the type of what is answered; nil: there is no content
	media  string // of the answer; "": JSON

	changes bool          // something: then it is audited, and no page of another site may ask for it
	whole   bool          // what it changes is the whole instance's: who is bound to teams may not
	time    time.Duration // that it may take; 0: callTime
	waits   bool          // for as long as it likes, until the server ends; time is of no use

	// handle does it. It returns what is answered: a value for JSON, a document or
	// lines; an error, see problem.go.
	handle func(*call) (any, error)
}

// Bounds on a request to an operation that says nothing else.
const (
	maxBody  = 1_000_000 // bytes
	callTime = 30 * time.Second
)

// operations lists what can be asked, by area.
func operations() []operation {
	return slices.Concat(
		statusOperations(),
		policyOperations(),
		rolloutOperations(),
		applyOperations(),
		historyOperations(),
		explainOperations(),
		collectOperations(),
		trafficOperations(),
		degradeOperations(),
		streamOperations(),
		lookOperations(),
		letterOperations(),
		controlOperations(),
		pluginOperations(),
		documentOperations(),
	)
}

// operate adds a route for each operation.
func operate(e *echo.Echo, s *server) {
	for _, o := range operations() {
		h := s.handler(&o)
		route := prefix + o.route()
		e.Add(o.method, route, h)
		if o.method == http.MethodGet {
			e.Add(http.MethodHead, route, h)
		}
	}
}

// route is the path as echo has it.
func (o *operation) route() string {
	parts := strings.Split(o.path, "/")
	for i, part := range parts {
		if name, ok := carried(part); ok {
			parts[i] = ":" + name
			if p := o.param(name); p.rest {
				parts[i] = "*"
			}
		}
	}
	return strings.Join(parts, "/")
}

// carried returns the name of the parameter that a part of a path stands for.
func carried(part string) (name string, ok bool) {
	name, ok = strings.CutPrefix(part, "{")
	return strings.TrimSuffix(name, "}"), ok
}

func (o *operation) param(name string) *param {
	i := slices.IndexFunc(o.params, func(p param) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return &o.params[i]
}

// server is what the handlers of all operations share.
type server struct {
	runtime  *runtime.Runtime
	stopping context.Context // ends when the server stops taking requests
	log      *slog.Logger
	denials  *denials
}

// handler checks a request, has it done, and answers. One that changes something
// is audited, be it done or refused; of others, what the asker may not. Refusals are
// audited within bounds.
func (s *server) handler(o *operation) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := s.bound(c.Request().Context(), o)
		defer cancel()
		asked := &call{ctx: ctx, runtime: s.runtime, actor: actorOf(c)}
		before := s.runtime.Revision()
		value, err := o.do(c, asked)
		switch {
		case asked.foreign:
			s.runtime.CountRefused("cross-site")
		case err != nil && problemOf(err).Status == http.StatusForbidden:
			s.runtime.CountRefused("forbidden")
			s.denials.record(ctx, o.entry(c, asked, before, before, err))
		case o.changes && refused(err):
			s.denials.record(ctx, o.entry(c, asked, before, before, err))
		case o.changes:
			s.audit(o.entry(c, asked, before, s.runtime.Revision(), err), asked)
		}
		if err != nil {
			return err
		}
		return o.write(ctx, c, value)
	}
}

// do has it done for who may ask for it, in the way it is to be asked for.
func (o *operation) do(c echo.Context, asked *call) (any, error) {
	if !asked.actor.May(o.role) {
		return nil, forbidden(asked.actor, o.role)
	}
	if o.whole && len(asked.actor.Teams) > 0 {
		return nil, refuse(http.StatusForbidden, "forbidden", fmt.Sprintf("%s may change what belongs to %s; this is every team's", asked.actor.Name, strings.Join(asked.actor.Teams, ", ")))
	}
	if err := o.ownPage(c); err != nil {
		asked.foreign = true
		return nil, err
	}
	if err := o.read(c, asked); err != nil {
		return nil, err
	}
	if err := patient(c); err != nil {
		return nil, err
	}
	return o.handle(asked)
}

// entry is what the audit says of a request, and of what became of it between two
// revisions.
func (o *operation) entry(c echo.Context, asked *call, before, after string, err error) runtime.AuditEntry {
	e := runtime.AuditEntry{
		Actor: asked.actor, Operation: o.id, Target: asked.target, Reason: asked.reason,
		Before: cmp.Or(asked.before, before), After: cmp.Or(asked.after, after), Result: runtime.AuditDone,
	}
	path, _ := o.carriedBy(c.Request().URL) // of a path that cannot be read: no target
	for _, p := range o.params {
		if values := path[p.name]; e.Target == "" && p.in == inPath && len(values) > 0 {
			e.Target = values[0]
		}
	}
	if err != nil {
		p := problemOf(err)
		e.Error, e.Result = strings.TrimSuffix(p.Code+": "+p.Detail, ": "), runtime.AuditFailed
		if refused(err) {
			e.Result = runtime.AuditRefused
		}
	}
	return e
}

// refused reports whether an error says that nothing was done. A request whose asker
// has gone, and a drain that does not come to its end, may have done a part.
func refused(err error) bool {
	if err == nil || errors.Is(err, runtime.ErrNotDrained) {
		return false
	}
	status := problemOf(err).Status
	return status < http.StatusInternalServerError && status != statusGone
}

// audit records what became of a change. An entry that cannot be written is in the log.
func (s *server) audit(e runtime.AuditEntry, asked *call) {
	// It is to be written even though the asker has gone.
	if err := s.runtime.Audit(context.WithoutCancel(asked.ctx), e); err != nil {
		s.log.Error("audit", "error", err)
	}
}

// bound ends the context of a call when its time is over.
func (s *server) bound(ctx context.Context, o *operation) (context.Context, context.CancelFunc) {
	if !o.waits {
		return context.WithTimeout(ctx, cmp.Or(o.time, callTime))
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.stopping, cancel)
	return ctx, func() { stop(); cancel() }
}

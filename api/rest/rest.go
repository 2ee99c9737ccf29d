// Package rest is the HTTP door of an instance: metrics, health, status and a
// query API that Grafana takes for a Prometheus. It translates between HTTP and
// package runtime and knows nothing of what lies behind that.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
)

// Options say where the server listens and whom it answers.
type Options struct {
	Listen string        // host:port; port 0 picks a free one
	Token  string        // reference to a bearer token that may do everything; "": none
	Tokens string        // file of tokens and certificates with roles, see package auth; "": none
	OIDC   *runtime.OIDC // issuer whose tokens let in, too; nil: none
	TLS    *runtime.ListenTLS
	Log    *slog.Logger
}

// Server answers HTTP requests about one instance.
type Server struct {
	listener net.Listener
	http     *http.Server
	tls      bool
	log      *slog.Logger
}

// Bounds on a request: nobody needs more, and nobody can hold a connection for ever.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 3 * time.Minute // above the time that a query may take
	stopTimeout   = 2 * time.Second
)

// New binds the address, so that a wrong one is told before anything starts.
func New(r *runtime.Runtime, o Options) (*Server, error) {
	loopback, err := onLoopback(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	refused := newDenials(r, o.Log)
	who, err := newGate(r, &o, loopback, refused)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	secured, err := newCertificates(o.TLS, o.Log)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, cannotListen(o.Listen, err)
	}
	e := echo.New()
	e.HTTPErrorHandler = problem(o.Log)
	e.Use(middleware.Recover(), secure)
	if loopback {
		e.Use(localHost)
	}
	e.Use(who.check, pages(r))
	stopping, stop := context.WithCancel(context.Background())
	routes(e, &server{r, stopping, o.Log, refused})
	s := &Server{listener: l, log: o.Log, tls: secured != nil, http: &http.Server{
		Handler: e, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		TLSConfig: secured.config(),
		ErrorLog:  slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}}
	s.http.RegisterOnShutdown(stop)
	return s, nil
}

// Admits tells whether an instance could listen: what would keep it from that, and
// whether that is only another one that has the address. The address is free again
// afterwards. Whether an OIDC issuer answers is not looked at.
func Admits(o Options) (inUse bool, err error) {
	loopback, err := onLoopback(o.Listen)
	if err == nil {
		err = o.guarded(loopback)
	}
	if err == nil && o.Tokens != "" {
		_, err = auth.Open(o.Tokens, o.Log)
	}
	if err == nil {
		_, err = newCertificates(o.TLS, o.Log)
	}
	if err != nil {
		return false, fmt.Errorf("listen: %w", err)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE), cannotListen(o.Listen, err)
	}
	return false, l.Close()
}

// cannotListen tells why the address cannot be bound, once: what net says of it
// repeats the address and the word.
func cannotListen(address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen: %s is in use; choose another with --listen, or 127.0.0.1:0 for any free one", address)
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	return fmt.Errorf("listen: %s: %w", address, err)
}

func routes(e *echo.Echo, s *server) {
	r := s.runtime
	get := func(path string, h echo.HandlerFunc) {
		e.GET(path, h)
		e.HEAD(path, h)
	}
	get("/", index(r))
	get("/metrics", echo.WrapHandler(r.Metrics()))
	get("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	get("/readyz", func(c echo.Context) error { return ready(c, r.Ready()) })
	operate(e, s)
	query(e.Group("/prometheus/api/v1"), r)
}

// ready answers a probe. Why an instance is not ready may name brokers and users: that
// is nothing for a probe that was not asked who it is.
func ready(c echo.Context, why error) error {
	switch {
	case why == nil:
		return c.String(http.StatusOK, "ready\n")
	case actorOf(c).May(runtime.RoleViewer):
		return c.String(http.StatusServiceUnavailable, why.Error()+"\n")
	}
	return c.String(http.StatusServiceUnavailable, "not ready: "+prefix+"/status says why\n")
}

// pages serves the business metrics of sinks at their paths, where nothing else is:
// sinks come and go with the policies.
func pages(r *runtime.Runtime) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			method := c.Request().Method
			if !errors.Is(err, echo.ErrNotFound) || method != http.MethodGet && method != http.MethodHead {
				return err
			}
			if page := r.Scrape(c.Request().URL.Path); page != nil {
				page.ServeHTTP(c.Response(), c.Request())
				return nil
			}
			return err
		}
	}
}

// URL is where the server is reached.
func (s *Server) URL() string {
	if s.tls {
		return "https://" + s.listener.Addr().String()
	}
	return "http://" + s.listener.Addr().String()
}

// Run answers requests until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() {
		if s.tls {
			failed <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		failed <- s.http.Serve(s.listener)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("http: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := s.http.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) { // a client holds on: it has had its time
		err = s.http.Close()
	}
	if end := <-failed; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

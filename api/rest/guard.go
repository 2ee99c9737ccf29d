package rest

import (
	"crypto/rand"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sluice-metrics/sluice/runtime"
)

// onLoopback reports whether only this machine can reach an address.
func onLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("%q is not host:port", address)
	}
	if host == "localhost" {
		return true, nil
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback(), nil
}

// localHost refuses requests whose Host is not this machine. A page in a
// browser may have any name resolve to 127.0.0.1 and would then read what it
// asks for; it cannot change the Host that its requests carry.
func localHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host := c.Request().Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return echo.NewHTTPError(http.StatusForbidden, "this instance answers requests to 127.0.0.1 or localhost only")
		}
		return next(c)
	}
}

// secure sets the headers that keep a browser from making more of an answer
// than it is, and names the request.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderXRequestID, rand.Text())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		return next(c)
	}
}

// actorKey is where the context of a request has its actor.
const actorKey = "actor"

func setActor(c echo.Context, a runtime.Actor) {
	a.Address = c.Request().RemoteAddr
	c.Set(actorKey, a)
}

// actorOf returns who asks: who was let in by no guard may do nothing.
func actorOf(c echo.Context) runtime.Actor {
	if a, ok := c.Get(actorKey).(runtime.Actor); ok && !a.Itself() {
		return a
	}
	return runtime.Actor{Name: "nobody"}
}

// bearerKey is where the context of a request says that it carried a token.
const bearerKey = "bearer"

// ownPage refuses what a page of another site has a browser ask for. A browser
// adds what it was once given, and reaches loopback addresses, but it never adds a
// token on its own. It says where a page came from; a request of a program that
// says nothing is let through. One that changes something must be such that a
// browser asks first whether it may, which is never allowed: no form sends JSON.
func (o *operation) ownPage(c echo.Context) error {
	if o.method == http.MethodGet || c.Get(bearerKey) != nil {
		return nil
	}
	var sites http.CrossOriginProtection
	if err := sites.Check(c.Request()); err != nil {
		return refuse(http.StatusForbidden, "cross-site", "a page of another site may not ask for this")
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if o.changes && o.method == http.MethodPost && (err != nil || media != echo.MIMEApplicationJSON) {
		return refuse(http.StatusUnsupportedMediaType, "media-type", "without a bearer token, send the header Content-Type: application/json")
	}
	return nil
}

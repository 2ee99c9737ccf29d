package remotewrite

import (
	"net/http"
	"strings"
)

// Reason says why a receiver refused samples for good. A receiver of protocol
// 1.0 does not say how many of a request's samples it refused; then all count,
// which is the most it can be.
type Reason uint8

// The reasons.
const (
	OutOfOrder   Reason = iota // older than a sample of the same series that it has
	Duplicate                  // another value at the same time
	TooOld                     // older than it takes at all
	TooNew                     // too far in the future
	TooLarge                   // a request larger than it takes
	Unauthorized               // wrong or missing credentials
	Redirected                 // it answered with another address; redirects are not followed
	Unsupported                // it does not speak the protocol, or not this version
	Partial                    // taken without complaint but for some samples
	Unconfirmed                // protocol 2.0: it does not say that it took anything
	Invalid                    // anything else that is wrong with the request
	reasons                    // how many there are
)

var reasonNames = [...]string{
	OutOfOrder: "out-of-order", Duplicate: "duplicate", TooOld: "too-old", TooNew: "too-new",
	TooLarge: "too-large", Unauthorized: "unauthorized", Redirected: "redirected", Unsupported: "unsupported",
	Partial: "partial", Unconfirmed: "unconfirmed", Invalid: "invalid",
}

// String returns the word used in logs and metrics.
func (r Reason) String() string { return reasonNames[r] }

// phrases are what receivers write about samples they refuse. The first that
// occurs decides.
var phrases = []struct {
	text   string
	reason Reason
}{
	{"duplicate", Duplicate}, // Prometheus: "duplicate sample for timestamp"; Mimir: "sample-duplicate-timestamp"
	{"too old", TooOld},
	{"too-old", TooOld},
	{"out of bounds", TooOld}, // Prometheus without an out-of-order window
	{"too far in the past", TooOld},
	{"out of order", OutOfOrder},
	{"out-of-order", OutOfOrder},
	{"future", TooNew},
}

// classify returns why a request that is not to be retried was refused.
func classify(status int, answer string) Reason {
	switch {
	case status >= 300 && status < 400:
		return Redirected
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return Unauthorized
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge
	case status == http.StatusUnsupportedMediaType, status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return Unsupported
	}
	answer = strings.ToLower(answer)
	for _, p := range phrases {
		if strings.Contains(answer, p.text) {
			return p.reason
		}
	}
	return Invalid
}

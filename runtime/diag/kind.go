package diag

import "errors"

// Kinds of error that callers tell apart whatever package they come of. Each is
// wrapped with what happened.
var (
	ErrConfig      = errors.New("configuration") // a setting is wrong
	ErrUnreachable = errors.New("not reachable") // a broker or an address
	ErrRejected    = errors.New("rejected")      // input that is wrong
)

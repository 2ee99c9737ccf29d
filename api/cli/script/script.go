// Package script is what the scripts of tests need that run an instance as users do:
// an address of its own, and to wait until it answers. It does not know what sluice is.
package script

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Addresses are addresses on this machine that scripts which run at the same time are
// given. The zero value has given none.
type Addresses struct {
	mu    sync.Mutex
	given map[string]bool
}

// Free returns an address where nothing listens and that it has not returned before. Its
// port is below those that systems give to whoever asks for any, so that none of them
// takes it meanwhile.
func (a *Addresses) Free() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for tries := 0; ; tries++ {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if a.given[address] {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err == nil {
			if a.given == nil {
				a.given = map[string]bool{}
			}
			a.given[address] = true
			return address, l.Close()
		}
		if tries >= 100 {
			return "", err
		}
	}
}

// patience bounds every wait; what is waited for comes in a second or two.
const patience = 3 * time.Minute

// Await repeats try until it succeeds. The script fails when it never does.
func Await(ts *testscript.TestScript, try func() error) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			ts.Fatalf("after %s: %v", patience, err)
		}
	}
}

// Answers returns nil when there is a good answer at a URL.
func Answers(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

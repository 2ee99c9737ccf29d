package cli

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// hup asks what runs in the background to load its policies again.
func hup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// says waits until an address answers with a text, or without it.
func says(ts *testscript.TestScript, without bool, args []string) {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(3 * time.Minute)
	for {
		var body []byte
		resp, err := http.Get("http://" + args[0])
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && strings.Contains(string(body), args[1]) != without {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("%s says %s, error %v", args[0], body, err)
		}
	}
}

package cli

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/sluice-metrics/sluice/api/auth"
	"github.com/sluice-metrics/sluice/runtime"
	"github.com/sluice-metrics/sluice/runtime/explain"
)

// onScreen returns the lines that a terminal of so many columns is sent.
func onScreen(t *testing.T, columns int, write func(io.Writer) error) []string {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	ioctl := func(request uintptr, arg unsafe.Pointer) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, control.Fd(), request, uintptr(arg)); errno != 0 {
			t.Fatal(errno)
		}
	}
	var number, unlocked uint32
	size := [4]uint16{24, uint16(columns)}
	ioctl(syscall.TIOCGPTN, unsafe.Pointer(&number))
	ioctl(syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	ioctl(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	screen, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan []byte)
	go func() {
		var all bytes.Buffer
		_, _ = io.Copy(&all, control) // it ends with an error when the screen is closed
		sent <- all.Bytes()
	}()
	if err := write(screen); err != nil {
		t.Error(err)
	}
	if err := screen.Close(); err != nil {
		t.Error(err)
	}
	text := <-sent
	if err := control.Close(); err != nil {
		t.Error(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\r\n"), "\r\n")
}

// What is listed fits a terminal of 80 columns, and a narrower one.
func TestListsFitTheTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	const long = "a reason that somebody has written at length, since the change was not as easy to understand as most of them are"
	at, digest := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "sha256:"+strings.Repeat("0123456789abcdef", 4)
	q := &questions{format: "pretty"}
	halted := &runtime.Halt{Reason: long, By: "oidc:anna@example.org", Since: at}
	lists := map[string]func(io.Writer) error{
		"fleet": func(w io.Writer) error {
			return printFleet(w, q, &runtime.FleetStatus{Instances: []runtime.FleetInstance{
				{Name: "sluice-orders-0", This: true, State: "ready", Revision: digest[7:], Version: "v1.20.3", Heard: at, Address: "http://10.20.30.40:7070"},
				{Name: "sluice-orders-1", State: "waiting", Revision: digest[7:], Version: "v1.20.3", Heard: at, Address: "http://10.20.30.41:7070", Waiting: long},
			}})
		},
		"audit": func(w io.Writer) error {
			return printAudit(w, []runtime.AuditEntry{{At: at, Actor: runtime.Actor{Name: "oidc:anna@example.org"}, Operation: "setOverride", Target: "task t-184467", Result: "done", Reason: long}})
		},
		"override": func(w io.Writer) error {
			return printOverrides(w, q, []runtime.Override{{ID: "0123456789", Kind: "rule", Target: "orders/no-debug-metrics", By: "oidc:anna@example.org", Reason: long}})
		},
		"history": func(w io.Writer) error {
			return historyText(w, []runtime.HistoryEntry{{Number: 12, Revision: digest[7:], InForce: true, Origin: runtime.Origin{At: at, By: "oidc:anna@example.org", Kind: "pushed", Reason: long}}})
		},
		"task": func(w io.Writer) error {
			return printTasks(w, q, []runtime.TaskInfo{{ID: "t-184467", Job: "orders enrichment with a long name, second generation", Team: "orders", Enabled: true, Series: 1234567, Samples: 123456.7}})
		},
		"task show": func(w io.Writer) error {
			return printTask(w, q, &runtime.TaskInfo{ID: "t-184467", Job: long, Off: long})
		},
		"stream": func(w io.Writer) error {
			return printStreams(w, q, []runtime.Stream{{Name: "native", State: runtime.StreamPaused, Halt: halted}})
		},
		"degrade": func(w io.Writer) error {
			return degradeText(w, &runtime.DegradeStatus{Step: "P1", Rules: []runtime.DegradeRule{
				{Rule: "orders/debug-metrics-of-operators-go-first", Priority: "P3", Action: "drop what is not needed in an emergency", Samples: 1234567},
			}}, at)
		},
		"plugin list": func(w io.Writer) error {
			return printPlugins(w, []runtime.StoredPlugin{{Name: "mask-users", Version: "1.2.3", Digest: digest, Scope: "series", Size: 123456, Fleet: true, At: at, By: "oidc:anna@example.org", UsedBy: []string{"orders/mask-users", "billing/mask-users"}}}, at)
		},
		"plugin list --running": func(w io.Writer) error {
			return printRunning(w, []runtime.RunningPlugin{{PluginView: explain.PluginView{Name: "mask-users", Version: "1.2.3", Digest: digest}, Calls: 1e6, In: 1e9, Out: 1e9, Breaker: "closed", Memory: 1 << 20, Tried: &explain.TriedPlugin{Samples: 1e6}}})
		},
		"collect --list": func(w io.Writer) error { return listCollected(terminal{out: w}) },
		"token list": func(w io.Writer) error {
			return listTokens(w, auth.File{Tokens: []auth.Token{{Name: "ci-of-the-orders-team", Role: runtime.RoleOperator, Teams: []string{"orders", "billing", "shipping"}, Created: at, Expires: at}}}, at)
		},
		"ledger": func(w io.Writer) error {
			return printLedger(w, &runtime.Ledger{Streams: []runtime.LedgerBook{{Name: "native", Partitions: []runtime.LedgerPlace{{Topic: "flink.native", Partition: 12, In: 1e10, Dispositions: map[string]int64{"out": 1e10}}}}}}, true)
		},
		"rollout": func(w io.Writer) error {
			return rolloutText(w, &runtime.RolloutStatus{Canary: &runtime.CanaryStatus{Revision: digest[7:], Since: at, Reason: "less", Share: 0.05}}, at)
		},
		"status": func(w io.Writer) error {
			x := statusText{url: "http://127.0.0.1:7070", now: at, columns: columnsOf(w)}
			_, err := io.WriteString(w, x.draw(&runtime.Status{Ready: true, Started: at, Streams: map[string]runtime.Hop{"a-stream-with-a-long-name": {Records: 1e9, SamplesIn: 1e9, Dispositions: map[string]int64{"out": 1e9}, Error: long}}}))
			return err
		},
	}
	for name, write := range lists {
		for _, columns := range []int{80, 60} {
			for _, line := range onScreen(t, columns, write) {
				n, words := utf8.RuneCountInString(line), len(strings.Fields(line))
				if alone := columns < 80 && words <= 2; n > columns && !alone { // a name, and a word that fits nowhere
					t.Errorf("%s: %d characters on a terminal of %d columns: %q", name, n, columns, line)
				}
			}
		}
		var file bytes.Buffer
		if err := write(&file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

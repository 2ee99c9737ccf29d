package kafka

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The faults that look alike in the client's errors are told apart.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	server, other := newPair(t, "127.0.0.1"), newPair(t, "127.0.0.1")
	users := []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "a"), kfake.Superuser("SCRAM-SHA-512", "cid", "c")}
	crypted := listen(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server.loaded}}))
	guarded, plain := listen(t, append(users, kfake.ListenFn(framed(net.Listen)))...), takes(t, false)
	for _, tt := range []struct {
		name, says, do string
		config         Config
	}{
		{"closed port", "refused", "port", Config{Brokers: []string{"127.0.0.1:1"}}},
		{"no such name", "no address", "name", Config{Brokers: []string{"broker.invalid:9092"}}},
		{"plaintext to tls", "speaks TLS", "--tls", Config{Brokers: []string{crypted}}},
		{"tls to plaintext", "does not speak TLS", "--tls", Config{Brokers: []string{plain}, TLS: TLS{Enabled: true}}},
		{"not trusted", "not trusted", "--tls-ca", Config{Brokers: []string{crypted}, TLS: TLS{Enabled: true, CA: other.cert}}},
		{"another name", "not for elsewhere", "--tls-server-name", Config{Brokers: []string{crypted}, TLS: TLS{Enabled: true, CA: server.cert, ServerName: "elsewhere"}}},
		{"wrong password, plain", `user "ann"`, "--sasl-password", Config{Brokers: []string{guarded}, SASL: SASL{SASLPlain, "ann", secret("x")}}},
		{"wrong password, scram", `user "cid"`, "--sasl-password", Config{Brokers: []string{guarded}, SASL: SASL{SASLScramSHA512, "cid", secret("x")}}},
		{"no user", "without a user", "--sasl-user", Config{Brokers: []string{guarded}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // the client asks again for some seconds
			err := try(t, tt.config)
			if err == nil {
				t.Fatal("it connects")
			}
			seen, do := tt.config.Diagnose(t.Context(), err)
			if !strings.Contains(seen, tt.says) || !strings.Contains(do, tt.do) {
				t.Errorf("%q -> %q for %v; want %q -> %q", seen, do, err, tt.says, tt.do)
			}
		})
	}
}

// A server that takes connections and says nothing is given up.
func TestDiagnoseIsBounded(t *testing.T) {
	t.Parallel()
	c := Config{Brokers: []string{takes(t, true)}, TLS: TLS{Enabled: true}}
	if seen, do := c.Diagnose(t.Context(), errors.New("late")); !strings.Contains(seen, "as TLS does") || !strings.Contains(do, "--tls") {
		t.Errorf("%q -> %q", seen, do)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	allow := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	broker := listen(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(3, "hidden"),
		kfake.User("PLAIN", "ann", "a",
			allow(kmsg.ACLResourceTypeTopic, testTopic, kmsg.ACLOperationRead),
			allow(kmsg.ACLResourceTypeTopic, "missing", kmsg.ACLOperationDescribe),
			allow(kmsg.ACLResourceTypeGroup, "mine", kmsg.ACLOperationRead)))
	a, err := NewAdmin(Config{Brokers: []string{broker}, SASL: SASL{SASLPlain, "ann", secret("a")}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	s, err := a.Inspect(t.Context(), testTopic, "hidden", "missing")
	if err != nil {
		t.Fatal(err)
	}
	seen := s.Topics[testTopic]
	if seen.Err != nil || seen.Partitions != 1 || seen.Replicas != 1 || !slices.Contains(seen.Rights, "READ") || slices.Contains(seen.Rights, "WRITE") || seen.Settings != nil {
		t.Errorf("a topic that may only be read: %+v", seen)
	}
	if h := s.Topics["hidden"]; !errors.Is(h.Err, ErrDenied) {
		t.Errorf("a topic that may not be seen: %+v", h)
	}
	if m := s.Topics["missing"]; m.Err != nil || m.Partitions != 0 {
		t.Errorf("a topic that is not there: %+v", m)
	}
	if s.Brokers != 1 || s.Version == "" || s.MayCreate {
		t.Errorf("cluster: %+v", s)
	}
	if g := a.Group(t.Context(), "theirs"); !errors.Is(g.Err, ErrDenied) {
		t.Errorf("a group that may not be described: %+v", g)
	}
	if g := a.Group(t.Context(), "mine"); g.Err != nil || g.State != "Dead" || g.Lag != 0 || g.Members != 0 {
		t.Errorf("a group that has not begun: %+v", g)
	}
}

// takes is a server that says nothing, and hangs up at once or in the end.
func takes(t *testing.T, holds bool) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if !holds {
				c.Close()
				continue
			}
			defer c.Close()
		}
	}()
	return l.Addr().String()
}

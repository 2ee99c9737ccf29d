package runtime

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// cluster is a broker, such as one with users and rights.
func cluster(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func TestDoctorLooksAtBrokers(t *testing.T) {
	t.Parallel()
	running := startInstance(t, testConfig(t, simpleSet)).Status().Brokers
	guarded := []string{cluster(t, kfake.EnableSASL(), kfake.User("PLAIN", "ann", "a"))}
	as := func(password string) func(*Config) {
		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		return func(c *Config) {
			c.Brokers, c.SASL = guarded, &SASL{Mechanism: "plain", User: "ann", Password: "file://" + file}
		}
	}
	for _, tt := range []examined{
		{"a broker inside", nil, AreaKafka, "broker", CheckOK, "inside", ""},
		{"a wrong password", as("x"), AreaKafka, "broker", CheckFail, `do not let user "ann" in`, "--sasl-password"},
		{"an instance that runs", func(c *Config) { c.Brokers = running }, AreaKafka, "rights", CheckOK, "may read", ""},
		{"missing topics", func(c *Config) { c.Brokers = []string{cluster(t)} }, AreaKafka, "topics", CheckWarn, "not there: ", "the instance makes them"},
		{"an authority that is not there", func(c *Config) { c.Brokers, c.TLS = []string{"127.0.0.1:1"}, &TLS{Enabled: true, CA: "/no/such.pem"} }, AreaKafka, "broker", CheckFail, "/no/such.pem", "mend the setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.tells(t)
		})
	}
}

package policy

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"

	"github.com/sluice-metrics/sluice/runtime/diag"
)

// Instance is the configuration of one running process, as sluice.cue gives it.
// Field names equal those of the schema's #Instance; a test compares the two.
type Instance struct {
	InstanceID  string     `json:"instanceID,omitempty"`
	Brokers     []string   `json:"brokers,omitempty"` // none: a broker runs inside the process
	TLS         *TLS       `json:"tls,omitempty"`
	SASL        *SASL      `json:"sasl,omitempty"`
	Group       string     `json:"group"`
	DataDir     string     `json:"dataDir,omitempty"` // "": a temporary one
	Listen      string     `json:"listen"`
	ListenToken string     `json:"listenToken,omitempty"` // secret reference
	Tokens      string     `json:"tokens,omitempty"`      // file
	OIDC        *OIDC      `json:"oidc,omitempty"`
	ListenTLS   *ListenTLS `json:"listenTLS,omitempty"`
	Policies    string     `json:"policies,omitempty"`    // directory, git+…, topic; "": the default set
	AllowPush   bool       `json:"allowPush"`             // although policies are a directory or in git
	Env         string     `json:"env,omitempty"`         // value of the set's @tag(env)
	BrokerPort  int        `json:"brokerPort,omitempty"`  // of the broker inside the process; 0: any free one
	Partitions  int        `json:"partitions,omitempty"`  // of topics that have to be made; 0: by the number of processors
	Roles       []string   `json:"roles,omitempty"`       // hop1, sinks; none: all
	EgressAllow []string   `json:"egressAllow,omitempty"` // networks
	CacheBytes  string     `json:"cacheBytes"`            // see ParseSize
	Log         Log        `json:"log"`

	Git       Git       `json:"git"`
	Probation Probation `json:"probation"`

	Plugins PluginBounds `json:"plugins"`
}

// Git says how a repository is followed. Password and SSHKey are secret references,
// KnownHosts and Signers files.
type Git struct {
	Poll       string `json:"poll"`
	User       string `json:"user"`
	Password   string `json:"password,omitempty"`
	SSHKey     string `json:"sshKey,omitempty"`
	KnownHosts string `json:"knownHosts,omitempty"`
	Signers    string `json:"signers,omitempty"`
}

// Probation is what a set that was put in force has to pass to be good: durations
// and shares.
type Probation struct {
	For         string `json:"for"`
	Rollback    bool   `json:"rollback"`
	DeadLetters string `json:"deadLetters"`
	Lost        string `json:"lost"`
	Failed      string `json:"failed"`
	Lag         string `json:"lag"`
}

// TLS secures the connections to the brokers. CA, Cert and Key are files.
type TLS struct {
	Enabled    bool   `json:"enabled"`
	CA         string `json:"ca,omitempty"`
	Cert       string `json:"cert,omitempty"`
	Key        string `json:"key,omitempty"`
	ServerName string `json:"serverName,omitempty"`
}

// ListenTLS secures the HTTP endpoints. Cert, Key and ClientCA are files.
type ListenTLS struct {
	Cert      string `json:"cert,omitempty"`
	Key       string `json:"key,omitempty"`
	ClientCA  string `json:"clientCA,omitempty"`  // of the certificates that clients may have
	Elsewhere bool   `json:"elsewhere,omitempty"` // something in front of the process encrypts
}

// OIDC lets in by JSON web tokens of an issuer.
type OIDC struct {
	Issuer    string   `json:"issuer"` // URL
	Audience  string   `json:"audience"`
	NameClaim string   `json:"nameClaim"`
	RoleClaim string   `json:"roleClaim"`
	Roles     []string `json:"roles"` // VALUE=ROLE or VALUE=ROLE:TEAM…
}

// SASL authenticates to the brokers; Password is a secret reference.
type SASL struct {
	Mechanism string `json:"mechanism"` // plain, scram-sha-256, scram-sha-512
	User      string `json:"user"`
	Password  string `json:"password"`
}

// Log says how the process logs.
type Log struct {
	Format string `json:"format"` // text, json
	Level  string `json:"level"`  // debug, info, warn, error
}

// instanceField is the field that a sluice.cue is evaluated in; authors do not write it.
const instanceField = "instance"

// DefaultInstance returns the configuration that applies where nothing is said.
func DefaultInstance() (Instance, error) {
	in, found, err := ReadInstance("sluice.cue", nil)
	if err == nil && len(found) > 0 {
		err = found[0]
	}
	return in, err
}

// LoadInstance reads the configuration of an instance from the file at path: CUE
// that gives the fields of #Instance at its top, and nothing else. Defaults are
// filled in. Diagnostics name the file by path; with one the Instance is zero. The
// error says that the file cannot be read.
//
// The file is the operator's own and is evaluated in this process.
func LoadInstance(path string) (Instance, []diag.Diagnostic, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Instance{}, nil, fmt.Errorf("read configuration: %w", err)
	}
	return ReadInstance(filepath.ToSlash(path), text)
}

// ReadInstance is LoadInstance for text that is at hand: CUE, which JSON is too.
// Diagnostics call it name.
func ReadInstance(name string, text []byte) (Instance, []diag.Diagnostic, error) {
	s, found := parse(name, text)
	if s == nil {
		return Instance{}, found, nil
	}
	if found = vetConstructs(s); len(found) > 0 {
		return Instance{}, diag.Sort(found), nil
	}
	enclose(s.file, instanceField, "Instance")
	sources := []*source{s}
	holes := &holeFinder{root: instanceField}
	t := plant(sources, holes.visit)
	found = append(holes.out, cycles(sources)...)
	e, err := evaluate([]*ast.File{s.file}, field(instanceField))
	if err != nil {
		return Instance{}, nil, err
	}
	found, err = newExplainer(t, instanceField, "Instance", sources).explain(e.wrong, found)
	if err != nil {
		return Instance{}, nil, err
	}
	if len(found) > 0 {
		return Instance{}, atTop(found, name), nil
	}
	var in Instance
	if err := decodeStrict(e.value, &in); err != nil {
		return Instance{}, nil, fmt.Errorf("%s: %w", name, err)
	}
	if found := in.check(t.fields[instanceField], name); len(found) > 0 {
		return Instance{}, diag.Sort(found), nil
	}
	return in, nil, nil
}

// atTop makes findings speak of the file as its author wrote it.
func atTop(found []diag.Diagnostic, name string) []diag.Diagnostic {
	for i := range found {
		d := &found[i]
		d.Path = strings.TrimPrefix(strings.TrimPrefix(d.Path, instanceField), ".")
		if d.Pos.File == "" {
			d.Pos.File = name
		}
	}
	return diag.Sort(found)
}

// check finds what is wrong with the meaning of a configuration.
func (in *Instance) check(t *tree, name string) []diag.Diagnostic {
	var out []diag.Diagnostic
	add := func(code diag.Code, message, hint string, path ...string) {
		d := diag.Diagnostic{Code: code, Pos: diag.Pos{File: name}, Path: pathString(path), Message: message, Hint: hint}
		if sites, _ := t.near(path); len(sites) > 0 {
			d.Pos = place(sites[0].value.Pos())
		}
		out = append(out, d)
	}
	for i, n := range in.EgressAllow {
		if _, err := netip.ParsePrefix(n); err != nil {
			add(diag.BadNetwork, fmt.Sprintf("egressAllow: %s is not a network", n), "write a network such as \"10.1.0.0/16\"", "egressAllow", fmt.Sprint(i))
		}
	}
	for _, d := range []struct{ section, field, text string }{
		{"git", "poll", in.Git.Poll}, {"probation", "for", in.Probation.For}, {"probation", "lag", in.Probation.Lag},
	} {
		if _, err := ParseDuration(d.text); err != nil {
			add(diag.BadQuantity, fmt.Sprintf("%s.%s: %v", d.section, d.field, err), "", d.section, d.field)
		}
	}
	if _, err := in.Plugins.Limits(); err != nil {
		add(diag.BadQuantity, fmt.Sprintf("plugins.%v", err), "", "plugins", "batch")
	}
	if _, err := ParseSize(in.CacheBytes); err != nil {
		add(diag.BadQuantity, fmt.Sprintf("cacheBytes: %v", err), "", "cacheBytes")
	}
	for i, a := range append([]string{in.Listen}, in.Brokers...) {
		path := []string{"listen"}
		if i > 0 {
			path = []string{"brokers", fmt.Sprint(i - 1)}
		}
		if !validPort(a) {
			add(diag.BadNetwork, fmt.Sprintf("%s has no port from 0 to 65535", a), "", path...)
		}
	}
	if t := in.TLS; t != nil && (t.Cert == "") != (t.Key == "") {
		add(diag.HalfKeyPair, "cert and key are given together, or not at all", "", "tls")
	}
	if in.SASL != nil && in.SASL.Mechanism == "plain" && (in.TLS == nil || !in.TLS.Enabled) && !in.loopback() {
		add(diag.PlainInClear, "mechanism plain without TLS sends the password over the network in the clear",
			"give tls: {}, or use scram-sha-512", "sasl", "mechanism")
	}
	return out
}

func validPort(address string) bool {
	_, err := netip.ParseAddrPort("0.0.0.0" + address[strings.LastIndex(address, ":"):])
	return err == nil
}

// loopback reports whether every broker is on this machine.
func (in *Instance) loopback() bool {
	return !slices.ContainsFunc(in.Brokers, func(b string) bool {
		host := strings.Trim(b[:strings.LastIndex(b, ":")], "[]")
		ip, err := netip.ParseAddr(host)
		return host != "localhost" && (err != nil || !ip.IsLoopback())
	})
}
